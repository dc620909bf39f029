"""Vectors that were computed elsewhere: an emulated embedding model answers with a real one's.

A file is `.npz` with `keys` (SHA-256 of each text, hex) and `vectors` (one row a text), or `.json`
with an object of key → list of numbers. A text that is not in it gets a vector made of its hash:
the same every time, near to nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.llm.embedded import Matrix
from core.llm.emulator.brain import without_prefix


def key_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class Vectors:
    """Unit vectors by the hash of their text; all of one length, `dimensions`."""

    def __init__(self, by_key: Mapping[str, Sequence[float]]) -> None:
        rows = np.asarray(list(by_key.values()), dtype=np.float32)
        if not by_key or rows.ndim != 2:
            raise ValueError("vectors of one length are needed, at least one")
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        self._rows: Matrix = (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)
        self._index = {key: row for row, key in enumerate(by_key)}
        self.dimensions: int = rows.shape[1]

    @classmethod
    def of_texts(cls, by_text: Mapping[str, Sequence[float]]) -> "Vectors":
        return cls({key_of(text): vector for text, vector in by_text.items()})

    @classmethod
    def read(cls, path: Path) -> "Vectors":
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                keys = [str(key) for key in file["keys"]]
                return cls(dict(zip(keys, file["vectors"], strict=True)))
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def of(self, texts: Sequence[str], *, seed: int, dimensions: int) -> list[list[float]]:
        """With or without the task that the text begins with; `dimensions` at most its own."""
        rows = [self._one(text, seed)[:dimensions] for text in texts]
        return [(row / (float(np.linalg.norm(row)) or 1.0)).tolist() for row in rows]

    def _one(self, text: str, seed: int) -> Matrix:
        for candidate in (text, without_prefix(text)):
            row = self._index.get(key_of(candidate))
            if row is not None:
                found: Matrix = self._rows[row]
                return found
        digest = hashlib.sha256(f"{seed}\n{without_prefix(text)}".encode("utf-8", "replace"))
        random = np.random.default_rng(int.from_bytes(digest.digest()[:8], "big"))
        return random.standard_normal(self.dimensions).astype(np.float32)
