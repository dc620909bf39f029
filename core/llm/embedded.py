"""Models that need no server: WordLlama vectors from the wheel.

The wheel's `WordLlama.load` looks in the wrong folder and downloads, and importing the package
calls `logging.basicConfig`; so its two files are read directly. The sum is the same: the mean of
the token vectors, normalised. Each text is pooled by itself, so a vector never depends on what
else stood in the batch, and a long text costs no padding.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from core.llm.base import EmbeddingSpace, Kind
from shared.errors import ConfigurationError

DIMENSIONS = 256
_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")
_UNKNOWN = 0  # <unk>: what an empty text is
# Characters that take about 0.2 ms: less than the way to a thread and back.
_AT_ONCE = 600
_SLICE = 256  # texts before another thread may have the interpreter
_LOADING = threading.Lock()

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class _Loaded:
    vectors: Matrix
    tokenizer: Any


class WordLlama:
    """Static 256-dimensional embeddings; loaded once a process, at the first text (0.1 s)."""

    def __init__(self) -> None:
        self._loaded: _Loaded | None = None
        self._space = EmbeddingSpace(
            name=f"wordllama-{DIMENSIONS}",
            model="wordllama-l2-supercat",
            dimensions=DIMENSIONS,
            digest=_version(),
        )

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        """Queries and passages alike: the model knows no difference."""
        if self._loaded is not None and sum(map(len, texts)) <= _AT_ONCE:
            return _listed(self.encode(texts))
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _SLICE):
            part = await asyncio.to_thread(self.encode, texts[start : start + _SLICE])
            vectors += _listed(part)
        return vectors

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, one a row. Blocks: call it in a thread."""
        model = self._loaded or self._load()
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            rows[row] = _pool(model, text)
        return rows

    def _load(self) -> _Loaded:
        with _LOADING:
            self._loaded = _read_files()
        return self._loaded


def _listed(rows: Matrix) -> list[list[float]]:
    vectors: list[list[float]] = rows.tolist()
    return vectors


def _pool(model: _Loaded, text: str) -> Matrix:
    # A lone surrogate cannot be encoded; it becomes a question mark.
    clean = text.encode("utf-8", "replace").decode()
    ids = model.tokenizer.encode(clean, add_special_tokens=False).ids or [_UNKNOWN]
    mean: Matrix = model.vectors[ids].mean(axis=0, dtype=np.float32)
    length = float(np.linalg.norm(mean))
    return mean / np.float32(length) if length > 0 else model.vectors[_UNKNOWN]


@cache
def _version() -> str:
    return version("wordllama")


@cache
def _read_files() -> _Loaded:
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("the package wordllama is not installed; run `make setup`")
    folder = Path(spec.submodule_search_locations[0])
    weights = load_file(str(folder / _WEIGHTS))["embedding.weight"]
    tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
    tokenizer.no_truncation()
    return _Loaded(vectors=weights.astype(np.float32), tokenizer=tokenizer)
