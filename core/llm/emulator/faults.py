"""Scripted faults of the emulated host, each used a number of times or until it is healed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal[
    "none",  # no fault: a request that goes well, in a script of several
    "hang",  # accepts the request and never answers
    "stall",  # a few tokens, then silence
    "slow",  # `seconds` before each token
    "endless",  # tokens without end
    "garbage",  # a line that is no JSON
    "not_an_object",  # a line that is JSON, but a list
    "blank_lines",  # empty lines between the chunks; the answer is whole
    "missing_model",  # 404
    "bad_request",  # 400
    "internal_error",  # 500
    "busy",  # 503, while a model is loading
    "not_json",  # 200 with a proxy's HTML page
    "error_line",  # an error in the middle of the stream, under status 200
    "no_done",  # the stream ends without `done: true`
    "cut",  # the connection breaks in the middle
    "drop",  # the connection closes before an answer
    "empty",  # done at once, without a word
    "no_counts",  # the counts are zero, hence absent
]

STATUS_FAULTS: dict[str, tuple[int, str]] = {
    "missing_model": (404, "model '{model}' not found"),
    "bad_request": (400, '"{model}" does not support thinking'),
    "internal_error": (500, "llama runner process has terminated: signal: killed"),
    "busy": (503, "server busy, please try again.  maximum pending requests exceeded"),
}


@dataclass(kw_only=True)
class Fault:
    kind: FaultKind
    path: str
    times: int | None
    seconds: float

    def is_for(self, path: str) -> bool:
        return self.times != 0 and self.path in ("*", path)


@dataclass
class Faults:
    """In the order they were scripted; the first that fits a request is taken."""

    scripted: list[Fault] = field(default_factory=list)

    def take(self, path: str) -> Fault | None:
        for fault in self._fitting(path):
            if fault.times is not None:
                fault.times -= 1
            return fault
        return None

    def _fitting(self, path: str) -> Iterator[Fault]:
        return (fault for fault in self.scripted if fault.is_for(path))
