"""`/api/chat` of the emulated host: cut the prompt silently, stream, fail on order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.llm.emulator import brain
from core.llm.emulator.faults import Fault
from core.llm.emulator.models import EmulatedModel, Json
from core.llm.emulator.wire import Wire

NUM_KEEP = 4  # tokens at the front that the runner keeps when it cuts
_STALL_AFTER = 16  # tokens: past the beginning of a JSON answer
_FOREVER = 10**9  # seconds


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request to a loaded model, ready to be answered."""

    model: EmulatedModel
    messages: Sequence[Json]
    num_ctx: int
    num_predict: int
    stream: bool
    form: Json | str | None  # a JSON schema, or `json` for any object
    load_seconds: float
    token_seconds: float
    fault: Fault | None
    scripted: str | None
    captured: Callable[[str], str] | None
    tool_call: Json | None

    @property
    def kind(self) -> str:
        return self.fault.kind if self.fault else ""


def prompt_tokens(messages: Sequence[Json], num_ctx: int) -> list[str]:
    """The prompt as the runner sees it: old turns dropped, then its front cut, without a word."""
    kept = list(messages)
    while len(_tokens(kept)) > num_ctx:
        old = next((m for m in kept[:-1] if m.get("role") != "system"), None)
        if old is None:
            break
        kept.remove(old)
    tokens = _tokens(kept)
    if len(tokens) <= num_ctx:
        return tokens
    return tokens[:NUM_KEEP] + tokens[len(tokens) - num_ctx + NUM_KEEP :]


def _tokens(messages: Sequence[Json]) -> list[str]:
    text = "\n".join(f"{m.get('role', '')}:\n{m.get('content') or ''}" for m in messages)
    return brain.tokenize(text)


async def respond(exchange: Exchange, wire: Wire) -> None:
    """Stream the answer, or send it whole when the request says `stream: false`."""
    began = time.monotonic()
    prompt = prompt_tokens(exchange.messages, exchange.num_ctx)
    text = exchange.scripted or _thought(exchange, "".join(prompt))
    room = exchange.num_predict if exchange.num_predict > 0 else exchange.num_ctx
    words = [] if exchange.kind == "empty" or exchange.tool_call else brain.tokenize(text)
    final = _final(exchange, len(prompt), words[:room], len(words) > room, began)
    if not exchange.stream:
        whole = {"role": "assistant", "content": "".join(words[:room])}
        await wire.json({**final, "message": {**whole, **_calls(exchange)}})
        return
    await wire.start(200, "application/x-ndjson")
    if await _stream(exchange, words[:room], wire):
        await wire.line(final)
    if exchange.kind != "cut":  # without an end of the body the server breaks the connection
        await wire.end()


def _thought(exchange: Exchange, prompt: str) -> str:
    if exchange.captured is not None:
        return exchange.captured(prompt)
    return brain.answer(prompt, form=exchange.form)


async def _stream(exchange: Exchange, words: list[str], wire: Wire) -> bool:
    """The chunks before the last; false when the last one is not to come."""
    if exchange.tool_call:
        message = {"role": "assistant", "content": "", **_calls(exchange)}
        await wire.line({**_head(exchange), "message": message, "done": False})
    async for index, word in _paced(exchange, words):
        if exchange.kind == "blank_lines":
            await wire.write(b"\n\r\n")
        if index == min(_STALL_AFTER, len(words) - 1) and not await _go_on(exchange, wire):
            return False
        message = {"role": "assistant", "content": word}
        await wire.line({**_head(exchange), "message": message, "done": False})
    return exchange.kind not in ("no_done", "cut")


async def _go_on(exchange: Exchange, wire: Wire) -> bool:
    """What goes wrong in the middle of a stream, if anything does."""
    if exchange.kind == "stall":
        await asyncio.sleep(_FOREVER)
    lines: dict[str, bytes] = {
        "garbage": b"<<< not json \xff\xfe\n",
        "not_an_object": b"[1, 2, 3]\n",
        "error_line": b'{"error":"an error was encountered while running the model: EOF"}\n',
    }
    if exchange.kind in lines:
        await wire.write(lines[exchange.kind])
    return exchange.kind not in (*lines, "no_done", "cut")


async def _paced(exchange: Exchange, words: list[str]) -> AsyncIterator[tuple[int, str]]:
    slow = exchange.fault.seconds if exchange.fault and exchange.kind == "slow" else 0.0
    endless = 0.005 if exchange.kind == "endless" else 0.0
    index = 0
    while words and (index < len(words) or exchange.kind == "endless"):
        await asyncio.sleep(slow or endless or exchange.token_seconds)
        yield index, words[index % len(words)]
        index += 1


def _head(exchange: Exchange) -> Json:
    return {"model": exchange.model.name, "created_at": datetime.now(UTC).isoformat()}


def _calls(exchange: Exchange) -> Json:
    call = exchange.tool_call
    return {"tool_calls": [{"function": call}]} if call else {}


def _final(
    exchange: Exchange, prompt_count: int, words: list[str], is_cut: bool, began: float
) -> Json:
    """The last chunk: durations in nanoseconds; zero values are absent (Go's omitempty)."""
    spent = time.monotonic() - began
    no_counts = exchange.kind == "no_counts"
    counts: dict[str, Any] = {
        "total_duration": _ns(exchange.load_seconds + spent) + 1,
        "load_duration": _ns(exchange.load_seconds) + 1,
        "prompt_eval_count": 0 if no_counts else prompt_count,
        "prompt_eval_duration": 0 if no_counts else _ns(spent) + 1,
        "eval_count": 0 if no_counts else len(words),
        "eval_duration": 0 if no_counts else _ns(exchange.token_seconds * len(words)) + 1,
    }
    return {
        **_head(exchange),
        "message": {"role": "assistant", "content": ""},
        "done_reason": "length" if is_cut else "stop",
        "done": True,
        **{name: value for name, value in counts.items() if value},
    }


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
