"""What is said to a language model: versioned templates, fitted to its context."""

from core.llm.prompts.budget import UNKNOWN, AnswerRequest, estimate_tokens, fit, unfenced
from core.llm.prompts.template import PromptTemplate, render

__all__ = [
    "UNKNOWN",
    "AnswerRequest",
    "PromptTemplate",
    "estimate_tokens",
    "fit",
    "render",
    "unfenced",
]
