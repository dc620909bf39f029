"""What the emulated models think: reversible tokens, grounded answers, useful vectors. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from core.llm.embedded import DIMENSIONS, Matrix, WordLlama
from core.llm.sentences import is_source, sentences
from core.rag.tokenize import terms

_TOKEN = re.compile(r"\s?\w{1,4}|\s?[^\w\s]|\s+")
_FENCED = re.compile(
    r"<<<PASSAGE (?P<number>\d+)(?: #\w+)?(?:: (?P<label>[^\n]*?))?>>>\n"
    r"(?P<text>.*?)\n<<<END PASSAGE",
    re.DOTALL,
)
# Other people's prompts: paragraphs that begin with a number in brackets.
_NUMBERED = re.compile(
    r"^\[(?P<number>\d+)\]:?\s*(?P<text>.+?)(?=^\[\d+\]|\n\s*\n|\Z)", re.S | re.M
)
_QUESTION = "Question:"
_UNKNOWN = re.compile(r"write exactly: (?P<line>[^\n]+)")
_TASK_PREFIX = re.compile(
    r"(?:search_query|search_document|query|passage): |Represent this sentence [^:]*: "
    r"|task: search result \| query: |title: none \| text: "
)
DEFAULT_UNKNOWN = "I don't know that from the material I have."
_MOST_SENTENCES = 2
_WORDS_OF_A_LONG_QUESTION = 12


@dataclass(frozen=True, kw_only=True)
class _Scored:
    number: int
    position: int
    text: str
    score: float


def tokenize(text: str) -> list[str]:
    """Tokens of up to four letters; joined they are the text again."""
    return _TOKEN.findall(text)


def answer(prompt: str, *, form: Any = None) -> str:
    """Sentences of the prompt's passages that share words with its question, each with its [n].

    `form` is a JSON schema, or `json`: then the answer is an object with `answer` and `citations`.
    """
    best = _best(prompt)
    if best:
        text = " ".join(f"{s.text} [{s.number}]" for s in best)
    else:
        said = _UNKNOWN.search(prompt)
        text = said["line"].strip() if said else DEFAULT_UNKNOWN
    return _as_json(text, best, form) if form else text


def _best(prompt: str) -> list[_Scored]:
    _, marked, after = prompt.rpartition(_QUESTION)
    question = after if marked else prompt.strip().rsplit("\n", 1)[-1]
    scored = _scored(prompt, set(terms(question)))
    scored.sort(key=lambda s: (-s.score, s.number, s.position))
    return [s for s in scored if s.score >= 0.5 * scored[0].score][:_MOST_SENTENCES]


def _as_json(text: str, best: Sequence[_Scored], form: Any) -> str:
    """In the order of the schema's properties, as its grammar makes a model write them."""
    known = {
        "answer": text,
        "citations": [{"passage": s.number, "quote": s.text} for s in best],
    }
    properties = form.get("properties") if isinstance(form, dict) else None
    empty: dict[Any, Any] = {"string": text, "array": [], "integer": 0, "boolean": False}
    fields = {
        name: known.get(name, empty.get(schema.get("type")))
        for name, schema in (properties or {"answer": {}, "citations": {}}).items()
    }
    return json.dumps(fields, ensure_ascii=False)


def _scored(prompt: str, asked: set[str]) -> list[_Scored]:
    found = []
    # A question of many words is not covered by one of them; a whole story never is by a sentence.
    wanted = min(len(asked), _WORDS_OF_A_LONG_QUESTION)
    for match in list(_FENCED.finditer(prompt)) or list(_NUMBERED.finditer(prompt)):
        label = match.groupdict().get("label") or ""
        if is_source(label):
            continue
        about = len(asked & set(terms(label)))
        for position, sentence in enumerate(sentences(match["text"])):
            shared = len(asked & set(terms(sentence.text)))
            if shared and (shared + about) * 3 >= wanted and not sentence.is_question:
                found.append(
                    _Scored(
                        number=int(match["number"]),
                        position=position,
                        text=sentence.text,
                        score=shared + about / 2,
                    )
                )
    return found


@lru_cache(maxsize=1)
def _word_llama() -> WordLlama:
    return WordLlama()


@lru_cache(maxsize=8)
def _rotation(seed: int, dimensions: int) -> Matrix:
    """Orthonormal rows: likeness survives, but vectors of two models have nothing in common."""
    random = np.random.default_rng(seed).standard_normal((dimensions, DIMENSIONS))
    basis, _ = np.linalg.qr(random)
    return np.ascontiguousarray(basis.T[:DIMENSIONS], dtype=np.float32)


def embed(texts: Sequence[str], *, seed: int, dimensions: int) -> list[list[float]]:
    """Unit vectors; `dimensions` is at least 256. Blocks for about 20 µs a short text."""
    plain = [without_prefix(text) for text in texts]
    rotation = _rotation(seed, dimensions)
    # Row by row: a matrix product may round otherwise for another number of rows.
    vectors = np.stack([vector @ rotation for vector in _word_llama().encode(plain)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    listed: list[list[float]] = vectors.tolist()
    return listed


def without_prefix(text: str) -> str:
    """A text without the task that some models want written before it."""
    return _TASK_PREFIX.sub("", text, count=1)


def shortened(vectors: list[list[float]], dimensions: int) -> list[list[float]]:
    """The request's `dimensions`: the first ones, normalised again."""
    cut = np.asarray(vectors, dtype=np.float32)[:, :dimensions]
    listed: list[list[float]] = (cut / np.linalg.norm(cut, axis=1, keepdims=True)).tolist()
    return listed
