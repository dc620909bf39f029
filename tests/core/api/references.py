"""Where requests name things by their ids: in the path, the query, the body. From the OpenAPI."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.api.app import schema_app

SCHEMA: dict[str, Any] = schema_app().openapi()
_SCHEMAS: dict[str, Any] = SCHEMA["components"]["schemas"]
# These names are everybody's, and an index counts.
_NO_IDS = ("template_id", "name", "version", "index")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One id in one route; `keys` lead to it within the query or the body."""

    method: str
    path: str
    where: str
    keys: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.where} {'.'.join(self.keys)}"

    @property
    def route(self) -> tuple[str, str]:
        return self.method, self.path

    @property
    def kind(self) -> str:
        """What it is the id of, as a path says it."""
        name = [key for key in self.keys if key != "[]"][-1].removeprefix("preferred_")
        return name.removesuffix("s") if name.endswith("_ids") else f"{name.removesuffix('_id')}_id"

    @property
    def is_form(self) -> bool:
        operation = SCHEMA["paths"][self.path][self.method.lower()]
        return list(operation["requestBody"]["content"]) == ["multipart/form-data"]

    def inserted(self, body: Mapping[str, Any], value: str) -> dict[str, Any]:
        """The body with this id in its place."""
        changed: dict[str, Any] = copy.deepcopy(dict(body))
        inner = changed
        *outer, last = [key for key in self.keys if key != "[]"]
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = [value] if self.keys[-1] == "[]" else value
        return changed


def references() -> list[Reference]:
    return [
        Reference(method=method.upper(), path=path, where=where, keys=keys)
        for path, operations in SCHEMA["paths"].items()
        if path.startswith("/api/v1/")
        for method, operation in operations.items()
        for where, keys in _of(path, operation)
    ]


def _of(path: str, operation: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in re.findall(r"\{(\w+)\}", path):
        if name not in _NO_IDS:
            yield "path", (name,)
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query" and list(_uuids(parameter["schema"])):
            yield "query", (parameter["name"],)
    contents = operation.get("requestBody", {}).get("content", {})
    found = {keys for content in contents.values() for keys in _uuids(content["schema"])}
    for keys in sorted(found):
        yield "body", keys


def _uuids(
    schema: Mapping[str, Any], keys: tuple[str, ...] = (), within: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The ways to all ids that a value of this schema may have."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in within:
            yield from _uuids(_SCHEMAS[name], keys, (*within, name))
        return
    if schema.get("format") == "uuid":
        yield keys
    for choice in ("anyOf", "allOf", "oneOf"):
        for part in schema.get(choice, []):
            yield from _uuids(part, keys, within)
    for name, part in schema.get("properties", {}).items():
        yield from _uuids(part, (*keys, name), within)
    if "items" in schema:
        yield from _uuids(schema["items"], (*keys, "[]"), within)
