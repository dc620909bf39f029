"""The emulated host as its user sees it: orders before, questions after."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.llm.emulator.faults import Fault, FaultKind, Faults
from core.llm.emulator.models import CHAT_MODEL, EMBEDDING_MODEL, EmulatedModel, Json, Runners
from core.llm.emulator.vectors import Vectors
from core.llm.ollama import full_name


@dataclass(kw_only=True)
class LoggedRequest:
    """`status` is 0 while nothing was answered; `is_closed` once the exchange is over."""

    at: float
    path: str
    body: Json
    fault: str = ""
    status: int = 0
    is_closed: bool = False


class Script:
    """State of the host and the orders given to it."""

    def __init__(
        self,
        *,
        models: Iterable[EmulatedModel] = (CHAT_MODEL, EMBEDDING_MODEL),
        num_parallel: int = 1,
        load_seconds: float = 0.0,
        token_seconds: float = 0.0,
        split_bytes: int | None = None,
        vectors: Mapping[str, Vectors] | None = None,
    ) -> None:
        """`vectors` are embedding models, by name, whose vectors were computed elsewhere."""
        self.models = {full_name(model.name): model for model in models}
        for name, given in (vectors or {}).items():
            self.install(EmulatedModel.embedding(name, vectors=given))
        self.runners = Runners(num_parallel=num_parallel, load_seconds=load_seconds)
        self.token_seconds = token_seconds
        self.split_bytes = split_bytes
        self.requests: list[LoggedRequest] = []
        self.faults = Faults()
        self.refused_texts: set[str] = set()
        self.replies: deque[str] = deque()
        self.tool_calls: deque[Json] = deque()
        self.captured: Callable[[str], str] | None = None

    # What a test orders

    def fail_next(
        self, kind: FaultKind, *, times: int = 1, path: str = "/api/chat", seconds: float = 0.05
    ) -> None:
        """The next `times` requests to `path` (`*`: any) fail like this."""
        self.faults.scripted.append(Fault(kind=kind, path=path, times=times, seconds=seconds))

    def script(self, kinds: Sequence[FaultKind], *, path: str = "/api/chat") -> None:
        """One entry a request, in order; `none` is a request without a fault."""
        for kind in kinds:
            self.fail_next(kind, path=path)

    def keep_failing(
        self, kind: FaultKind, *, path: str = "/api/chat", seconds: float = 0.05
    ) -> None:
        """Until `heal`."""
        self.faults.scripted.append(Fault(kind=kind, path=path, times=None, seconds=seconds))

    def heal(self) -> None:
        self.faults.scripted.clear()

    def say_next(self, text: str) -> None:
        """The next chat is answered with exactly this."""
        self.replies.append(text)

    def capture(self, speak: Callable[[str], str]) -> None:
        """From now on the chat model is somebody else's: it says what `speak` makes of a prompt."""
        self.captured = speak

    def call_tool_next(self, name: str, arguments: Json) -> None:
        self.tool_calls.append({"name": name, "arguments": arguments})

    def refuse_text(self, text: str) -> None:
        """An embedding request that contains this text is refused whole, as for a bad input."""
        self.refused_texts.add(text)

    def install(self, model: EmulatedModel) -> None:
        self.models[full_name(model.name)] = model

    def serve_vectors(self, name: str, path: str) -> None:
        """Install an embedding model whose vectors are in a file, see `Vectors`."""
        self.install(EmulatedModel.embedding(name, vectors=Vectors.read(Path(path))))

    def remove(self, name: str) -> None:
        self.models.pop(full_name(name), None)
        self.runners.unload(name)

    def repull(self, name: str) -> None:
        """The tag now names other weights: another digest, other vectors."""
        model = self.models[full_name(name)]
        self.install(replace(model, revision=model.revision + 1))

    # What a test asks

    @property
    def active(self) -> int:
        """Requests that hold a slot of a model."""
        return self.runners.active

    @property
    def waiting(self) -> int:
        return self.runners.waiting

    def requests_to(self, path: str) -> list[LoggedRequest]:
        return [request for request in self.requests if request.path == path]

    def is_refused(self, texts: Sequence[str]) -> bool:
        return any(bad in text for bad in self.refused_texts for text in texts)
