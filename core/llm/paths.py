"""Where a model is: `ollama:<tag>`, `embedded:wordllama` or `extractive`.

A path names a model, never a host: which hosts are asked is the operator's setting alone, so that
nobody can make Cairn call an address of theirs.
"""

import re
from dataclasses import dataclass
from typing import Literal

from shared.errors import InvalidInput

Family = Literal["ollama", "embedded", "extractive"]
ModelType = Literal["embedding", "chat", "classification"]

MAX_TAG = 200
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_TAG = re.compile(rf"(?:{_PART}/){{0,3}}{_PART}(?::{_PART})?")
# Registries whose models Ollama lists under their host's name.
_REGISTRIES = frozenset(("hf.co", "huggingface.co", "registry.ollama.ai"))
_TYPES: dict[Family, tuple[ModelType, ...]] = {
    "ollama": ("embedding", "chat", "classification"),
    "embedded": ("embedding",),
    "extractive": ("chat",),
}


@dataclass(frozen=True)
class ModelPath:
    family: Family
    model: str = ""

    def __str__(self) -> str:
        return f"{self.family}:{self.model}" if self.model else self.family


WORDLLAMA = ModelPath("embedded", "wordllama")
EXTRACTIVE = ModelPath("extractive")


def parse_path(model_path: str) -> ModelPath:
    """Raises InvalidInput (`bad_model_path`) for whatever is not one of the three forms."""
    if model_path in (str(WORDLLAMA), str(EXTRACTIVE)):
        return WORDLLAMA if model_path == str(WORDLLAMA) else EXTRACTIVE
    family, _, tag = model_path.partition(":")
    if family == "ollama" and len(tag) <= MAX_TAG and _TAG.fullmatch(tag) and _is_name(tag):
        return ModelPath("ollama", tag)
    raise InvalidInput(
        "a model's path is `ollama:<tag>`, `embedded:wordllama` or `extractive`, without a host",
        code="bad_model_path",
    )


def check_type(path: ModelPath, model_type: ModelType) -> None:
    """Raises InvalidInput when no model there is of this type."""
    if model_type not in _TYPES[path.family]:
        raise InvalidInput(f"{path} is no {model_type} model", code="bad_model_path")


def _is_name(tag: str) -> bool:
    """Whether the first of several parts is a namespace, not an address."""
    first, slash, _ = tag.partition("/")
    return ".." not in tag and (not slash or "." not in first or first in _REGISTRIES)
