"""Ollama's HTTP API, faked at the wire: for tests, for `cairn dev` without a GPU, for bot authors.

    emulator = create_ollama_emulator()
    uvicorn.run(emulator.app, port=11434)  # or: python -m core.llm.emulator --port 11434

Its answers are deterministic and come from the numbered passages in the prompt.
"""

from core.llm.emulator.faults import FaultKind
from core.llm.emulator.models import EmulatedModel
from core.llm.emulator.script import LoggedRequest
from core.llm.emulator.server import OllamaEmulator
from core.llm.emulator.vectors import Vectors

create_ollama_emulator = OllamaEmulator

__all__ = [
    "EmulatedModel",
    "FaultKind",
    "LoggedRequest",
    "OllamaEmulator",
    "Vectors",
    "create_ollama_emulator",
]
