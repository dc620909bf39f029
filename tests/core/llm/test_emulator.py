"""The emulated host answers as Ollama does: read raw, without our client."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.llm.emulator import OllamaEmulator
from core.llm.emulator.brain import tokenize
from core.llm.emulator.chat import prompt_tokens
from core.llm.structured import SCHEMA
from tests.core.llm.conftest import CHAT, EMBED
from tests.waiting import eventually


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url, timeout=10, trust_env=False) as client:
        yield client


def asked(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": CHAT, "messages": [{"role": "user", "content": text}], **fields}


async def lines(client: httpx.AsyncClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    response = await client.post("/api/chat", json=body)
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


async def test_the_last_line_is_done_with_counts_and_nanoseconds(
    client: httpx.AsyncClient,
) -> None:
    *chunks, last = await lines(client, asked("[1] Cues start habits.\n\nQuestion: what starts?"))
    assert [chunk["done"] for chunk in chunks] == [False] * len(chunks)
    assert "".join(c["message"]["content"] for c in chunks) == "Cues start habits. [1]"
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert last["eval_count"] == len(chunks)
    assert isinstance(last["total_duration"], int)
    assert last["prompt_eval_count"] > 5


@pytest.mark.parametrize("form", ["json", SCHEMA], ids=["json", "schema"])
async def test_a_form_makes_the_answer_json(client: httpx.AsyncClient, form: Any) -> None:
    body = asked("[1] Cues start habits.\n\nQuestion: what starts?", format=form)
    text = "".join(c["message"]["content"] for c in await lines(client, body))
    assert json.loads(text) == {
        "answer": "Cues start habits. [1]",
        "citations": [{"passage": 1, "quote": "Cues start habits."}],
    }


@pytest.mark.parametrize("form", ["", None])
async def test_an_empty_form_is_none(client: httpx.AsyncClient, form: str | None) -> None:
    body = asked("[1] Cues start habits.\n\nQuestion: what starts?", format=form)
    text = "".join(c["message"]["content"] for c in await lines(client, body))
    assert text == "Cues start habits. [1]"


async def test_a_passage_may_speak_of_questions(client: httpx.AsyncClient) -> None:
    prompt = "[1] Question: cues? Cues start habits.\n\nQuestion: what starts habits?"
    text = "".join(c["message"]["content"] for c in await lines(client, asked(prompt)))
    assert text.endswith("Cues start habits. [1]")


async def test_zero_counts_are_absent(client: httpx.AsyncClient, emulator: OllamaEmulator) -> None:
    emulator.fail_next("no_counts")
    last = (await lines(client, asked("Question: why?")))[-1]
    assert not {"prompt_eval_count", "eval_count", "eval_duration"} & set(last)


async def test_num_predict_ends_an_answer_by_length(client: httpx.AsyncClient) -> None:
    body = asked("[1] Cues start habits.\nQuestion: what starts?", options={"num_predict": 2})
    assert (await lines(client, body))[-1]["done_reason"] == "length"


async def test_without_messages_the_model_is_loaded_or_unloaded(
    client: httpx.AsyncClient, emulator: OllamaEmulator
) -> None:
    loaded = (await client.post("/api/chat", json={"model": CHAT})).json()
    assert (loaded["done"], loaded["done_reason"]) == (True, "load")
    [running] = (await client.get("/api/ps")).json()["models"]
    assert (running["name"], running["context_length"]) == (CHAT, 4096)
    body = {"model": CHAT, "keep_alive": 0}
    assert (await client.post("/api/chat", json=body)).json()["done_reason"] == "unload"
    assert (await client.get("/api/ps")).json()["models"] == []


async def test_another_context_reloads_the_model(
    client: httpx.AsyncClient, emulator: OllamaEmulator
) -> None:
    for num_ctx in (2048, 2048, 8192):
        await lines(client, asked("Question: why?", options={"num_ctx": num_ctx}))
    assert emulator.runners.loads == [(CHAT, 2048), (CHAT, 8192)]


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/api/chat", {"model": "nope", "messages": []}, 404, "model 'nope' not found"),
        ("/api/embed", {"model": "nope", "input": "x"}, 404, "model 'nope' not found"),
        ("/api/show", {"model": "nope"}, 404, "model 'nope' not found"),
        ("/api/chat", {}, 400, "model is required"),
        ("/api/chat", asked("x", think=True), 400, f'"{CHAT}" does not support thinking'),
        ("/api/chat", asked("x") | {"model": EMBED}, 400, '"nomic-embed-text" does not support'),
        ("/api/chat", asked("x", options={"num_ctx": "big"}), 500, 'option "num_ctx" must be'),
        ("/api/chat", asked("x", format="yaml"), 400, 'invalid format: "yaml"; expected "json"'),
        ("/api/chat", asked("x", format=[1]), 400, "invalid format: [1]; expected"),
        ("/api/embed", {"model": EMBED, "input": {"a": 1}}, 400, "invalid input type"),
        (
            "/api/embed",
            {"model": EMBED, "input": ["fine", "word " * 3000], "truncate": False},
            400,
            "the input length exceeds the context length",
        ),
    ],
)
async def test_refusals(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, error: str
) -> None:
    response = await client.post(path, json=body)
    assert response.status_code == status
    assert response.json()["error"].startswith(error)


async def test_a_body_that_is_no_json(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/chat", content=b"{")).status_code == 400


async def test_tags_show_and_version(client: httpx.AsyncClient, emulator: OllamaEmulator) -> None:
    before = {m["name"]: m["digest"] for m in (await client.get("/api/tags")).json()["models"]}
    assert set(before) == {CHAT, "nomic-embed-text:latest"}
    emulator.repull(EMBED)
    after = {m["name"]: m["digest"] for m in (await client.get("/api/tags")).json()["models"]}
    assert after[CHAT] == before[CHAT]
    assert after["nomic-embed-text:latest"] != before["nomic-embed-text:latest"]
    shown = (await client.post("/api/show", json={"model": EMBED})).json()
    assert shown["model_info"]["nomic-bert.embedding_length"] == 384
    assert (await client.get("/api/version")).json() == {"version": "0.12.6"}


async def test_pull_streams_its_progress_and_installs(
    client: httpx.AsyncClient, emulator: OllamaEmulator
) -> None:
    response = await client.post("/api/pull", json={"model": "qwen3:0.6b"})
    steps = [json.loads(line) for line in response.text.splitlines()]
    assert steps[0] == {"status": "pulling manifest"}
    assert steps[-1] == {"status": "success"}
    assert [s["completed"] for s in steps if "completed" in s] == sorted(
        s["completed"] for s in steps if "completed" in s
    )
    assert "qwen3:0.6b" in emulator.models
    failed = await client.post("/api/pull", json={"model": "no-such-model"})
    assert "error" in json.loads(failed.text.splitlines()[-1])


async def test_embeddings_may_be_shortened_and_an_empty_list_has_none(
    client: httpx.AsyncClient,
) -> None:
    body = {"model": EMBED, "input": ["a cue"], "dimensions": 64}
    [vector] = (await client.post("/api/embed", json=body)).json()["embeddings"]
    assert len(vector) == 64
    assert sum(x * x for x in vector) == pytest.approx(1, abs=1e-4)
    empty = await client.post("/api/embed", json={"model": EMBED, "input": []})
    assert empty.json()["embeddings"] == []


async def test_a_tool_call_comes_as_a_message(
    client: httpx.AsyncClient, emulator: OllamaEmulator
) -> None:
    emulator.call_tool_next("set_goal", {"text": "run"})
    tool = {"type": "function", "function": {"name": "set_goal", "parameters": {}}}
    first, last = await lines(client, asked("Set it", tools=[tool]))
    call = {"function": {"name": "set_goal", "arguments": {"text": "run"}}}
    assert first["message"]["tool_calls"] == [call]
    assert last["done"]


async def test_orders_over_http(client: httpx.AsyncClient, emulator: OllamaEmulator) -> None:
    order = {"kind": "busy", "times": 1}
    assert (await client.post("/control/fail_next", json=order)).status_code == 200
    assert (await client.post("/api/chat", json=asked("x"))).status_code == 503
    assert (await client.post("/control/explode", json={})).status_code == 404
    log = (await client.get("/control/requests")).json()
    assert [(entry["path"], entry["fault"], entry["status"]) for entry in log] == [
        ("/api/chat", "busy", 503)
    ]


async def test_scripted_faults_come_in_order(
    client: httpx.AsyncClient, emulator: OllamaEmulator
) -> None:
    emulator.script(["busy", "none", "internal_error"])
    statuses = [(await client.post("/api/chat", json=asked("x"))).status_code for _ in range(4)]
    assert statuses == [503, 200, 500, 200]


async def test_a_second_request_waits_for_the_slot_and_a_hang_up_frees_it(
    client: httpx.AsyncClient, emulator: OllamaEmulator, base_url: str
) -> None:
    emulator.fail_next("hang")
    async with httpx.AsyncClient(base_url=base_url, trust_env=False) as impatient:
        with pytest.raises(httpx.ReadTimeout):
            await impatient.post("/api/chat", json=asked("x"), timeout=0.3)
    await eventually(lambda: emulator.active == 0)
    assert (await client.post("/api/chat", json=asked("x"))).status_code == 200


@given(st.text(max_size=80))
def test_tokens_are_the_text(text: str) -> None:
    assert "".join(tokenize(text)) == text


@given(st.lists(st.text(max_size=80), min_size=1, max_size=5), st.integers(8, 64))
def test_a_prompt_is_cut_to_the_context(texts: list[str], num_ctx: int) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    assert len(prompt_tokens(messages, num_ctx)) <= num_ctx


def test_old_turns_are_dropped_before_the_system_prompt_is_cut() -> None:
    system = {"role": "system", "content": "Be kind to all."}
    old = {"role": "user", "content": "old " * 50}
    new = {"role": "user", "content": "new question"}
    kept = "".join(prompt_tokens([system, old, new], 30))
    assert "Be kind" in kept
    assert "old" not in kept
    assert "Be kind" not in "".join(prompt_tokens([system, new], 8))
