"""One creator's words in all that reaches out, another creator's programs: none is met there."""

import re
from collections.abc import Sequence

from core.llm.emulator.models import CHAT_MODEL
from tests.core.cli.conftest import Cairn, cairn
from tests.tenancy.programs import fill_outreach, visit_outreach
from tests.tenancy.test_canary import LISTS, Town, _shown, log_file, town

__all__ = ["cairn", "log_file", "town"]  # fixtures

# Where the owner reads its own words: the positive control of what was planted.
READ_IN_LISTS = {"program slug", "new name", "segment", "broadcast", "news", "crisis word"}
READ_IN_LISTS |= {"crisis text", "rule word", "rule note", "tag", "attribute", "attribute value"}
READ_IN_LISTS |= {"imported name", "imported tag", "import column", "import value"}
COMMANDS = [
    ("programs", "list", "--json"),
    ("programs", "sends", "--json"),
    ("broadcasts", "list"),
    ("contacts", "list"),
    ("usage", "--json"),
]


async def test_no_word_of_one_creators_programs_reaches_another(town: Town) -> None:
    model = {"name": "answers", "model_type": "chat", "model_path": f"ollama:{CHAT_MODEL.name}"}
    for school in (town.a, town.b):
        await school.api("POST", "models", json=model)
    a = await fill_outreach(town.a, town.canaries, town.telegram_url)
    asked_before, sent_before = len(town.ollama.requests), len(town.telegram.requests)
    b, shown = await visit_outreach(town.b, town.telegram_url)
    shown += [await town.b.api("GET", path) for path in LISTS]
    prompts = [request.body for request in town.ollama.requests[asked_before:]]
    sent = [request.params for request in town.telegram.requests[sent_before:]]
    assert town.canaries.found_in(shown, prompts, sent, b.replies) == []
    # The flows did run, through the model as well.
    assert any("Ten minutes in the park" in str(prompt) for prompt in prompts)
    assert any("We meet on Sunday" in text for text in b.replies)
    assert len(town.canaries.words) >= 45
    own = [request.body for request in town.ollama.requests[:asked_before]]
    await check_planted(town, own, a.replies)


async def check_planted(town: Town, prompts: Sequence[object], replies: Sequence[str]) -> None:
    """Each word was planted where it is read: by its owner's people, model and lists."""
    assert {"nudge", "goal title"} <= set(town.canaries.found_in(prompts))
    assert {"step text", "news", "ticket reply"} <= set(town.canaries.found_in(replies))
    lists = [await town.a.api("GET", path) for path in LISTS]
    assert set(town.canaries.found_in(lists)) >= READ_IN_LISTS
    # Nothing of what the erased person was called is left in any list.
    assert "erased name" not in town.canaries.found_in(lists)


async def test_logs_and_metrics_hold_no_text_nor_token_of_what_reaches_out(town: Town) -> None:
    a = await fill_outreach(town.a, town.canaries, town.telegram_url)
    await town.a.hears("/progress", chat=601, name="A")
    await town.a.settled()
    requests = str([request.params for request in town.telegram.requests])
    pages = re.findall(r"/(u|pictures)/([\w.=-]{20,})", requests)
    await visit_pages(town, pages)
    tokens = [token for _, token in pages]
    logged = town.log.read_text(encoding="utf-8")
    assert "turn.completed" in logged
    assert town.canaries.found_in(logged) == []
    assert [token for token in tokens if token[:20] in logged] == []
    for address in ("700001", "700002", str(a.contact_id)):
        # A figure may hold the same digits by chance, among others.
        assert not re.search(rf"(?<!\d){address}(?!\d)", (await town.http.get("/metrics")).text)
    assert "700001" not in logged


async def visit_pages(town: Town, pages: list[tuple[str, str]]) -> None:
    assert {page for page, _ in pages} == {"u", "pictures"}
    for page, token in pages:
        assert (await town.http.get(f"/{page}/{token}")).status_code == 200
        assert (await town.http.get(f"/{page}/{token}x")).status_code == 404
    assert (await town.http.post(f"/u/{pages[0][1]}")).status_code in (200, 404)


async def test_the_command_line_shows_a_creator_its_own_programs(town: Town, cairn: Cairn) -> None:
    await fill_outreach(town.a, town.canaries, town.telegram_url)
    await visit_outreach(town.b, town.telegram_url)
    of_a, of_b = (("--creator", str(school.id)) for school in (town.a, town.b))
    shown = [await _shown(cairn, *command, *of_b) for command in COMMANDS]
    shown += [await _shown(cairn, "programs", view, "walk", *of_b) for view in ("show", "preview")]
    assert ("walk" in shown[0], "News" in shown[2], "Grace" in shown[3]) == (True,) * 3
    assert town.canaries.found_in(shown) == []
    slug = town.canaries.words["program slug"]
    for refused in (("show", slug), ("preview", slug), ("enrolments", slug)):
        outcome = await cairn("programs", *refused, *of_b)
        assert outcome.code != 0
    own = [await _shown(cairn, *command, *of_a) for command in COMMANDS]
    assert {"program slug", "new name", "broadcast"} <= set(town.canaries.found_in(own))
