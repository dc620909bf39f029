"""`cairn prompts` on a real database: a template's way from a file to its contacts and back."""

import json
from pathlib import Path
from uuid import UUID

from core.house import HOUSE
from core.llm.prompt_catalog import CATALOG
from core.llm.prompt_store import PromptStore
from core.llm.prompts import built_in
from shared.database import DatabaseManager
from shared.errors import InvalidInput, NotFound
from tests.core.cli.conftest import Cairn

NEWEST = built_in("answer")[0]


async def test_a_template_goes_from_a_file_to_its_contacts_and_back(
    cairn: Cairn, creator: UUID, database: DatabaseManager, tmp_path: Path
) -> None:
    of_creator = ("--creator", str(creator))
    shown = await cairn("prompts", "show", "answer", *of_creator)
    assert shown.out == NEWEST.body
    file = tmp_path / "answer.md.j2"
    file.write_text(shown.out.replace("{{ persona }}", "{{ persona }} Be brief."))
    saved = await cairn("prompts", "save", "answer", str(file), "--note", "brief", *of_creator)
    assert (saved.code, saved.out.split(".")[0]) == (0, "Version 1")
    changed = (await cairn("prompts", "diff", "answer", "0", "1", *of_creator)).out
    assert "+{{ persona }} Be brief." in changed
    tried = await cairn("prompts", "preview", "answer", "1", "--question", "Why?", *of_creator)
    assert "Be brief." in tried.out
    assert "Why?" in tried.out

    store = PromptStore(database=database)
    promoted = await cairn("prompts", "promote", "answer", "1", *of_creator)
    assert promoted.out == "answer@1 is production now.\n"
    assert (await store.resolve(creator, "answer")).reference == "answer@1"
    share = ("--label", "candidate", "--percent", "10")
    candidate = await cairn("prompts", "promote", "answer", "1", *share, *of_creator)
    assert "10 % of the contacts" in candidate.out
    listed = (await cairn("prompts", "list", *of_creator)).out
    assert listed.splitlines()[0].split() == ["answer", "candidate:", "1", "production:", "1"]
    [version] = (await cairn("prompts", "list", "answer", "--json", *of_creator)).out.splitlines()
    assert json.loads(version)["note"] == "brief"
    back = await cairn("prompts", "rollback", "answer", *of_creator)
    assert back.out.startswith("There was none before")
    store.cache.forget(creator)
    assert (await store.resolve(creator, "answer")).reference == NEWEST.reference


async def test_the_operator_writes_what_all_share(
    cairn: Cairn, creator: UUID, database: DatabaseManager, tmp_path: Path
) -> None:
    file = tmp_path / "answer.md.j2"
    file.write_text(NEWEST.body)
    for command in (("save", "answer", str(file)), ("promote", "answer", "1")):
        assert (await cairn("prompts", *command, "--locale", "de")).code == 0
    store = PromptStore(database=database)
    found = await store.resolve(creator, "answer", locale="de-CH")
    assert found.reference == "shared/answer.de@1"
    assert (await store.get(HOUSE, "answer", 1, locale="de")).actor == "operator"
    listed = await cairn("prompts", "list")
    assert listed.out.splitlines()[0] == "answer  production (de): 1"
    own = await cairn("prompts", "list", "--creator", str(creator))
    assert own.out.splitlines() == [f"{name}  nothing is labelled" for name in CATALOG]


async def test_mistakes_end_in_one_line(cairn: Cairn, creator: UUID, tmp_path: Path) -> None:
    of_creator = ("--creator", str(creator))
    wrong, binary = tmp_path / "wrong.j2", tmp_path / "binary.j2"
    wrong.write_text("{{ qestion }}")
    binary.write_bytes(b"\xff\xfe\x00")
    outcomes = [
        await cairn("prompts", "save", "answer", str(wrong), *of_creator),
        await cairn("prompts", "save", "answer", str(binary), *of_creator),
        await cairn("prompts", "save", "answer", str(tmp_path / "absent"), *of_creator),
        await cairn("prompts", "preview", "answer", "--file", str(wrong), *of_creator),
        await cairn("prompts", "save", "nothing", str(wrong), *of_creator),
        await cairn("prompts", "promote", "answer", "3", *of_creator),
        await cairn("prompts", "rollback", "answer", *of_creator),
        await cairn("prompts", "list", "--creator", "5e1f0000-0000-4000-8000-000000000000"),
    ]
    assert [type(outcome.error) for outcome in outcomes] == [InvalidInput] * 4 + [NotFound] * 4
    assert all("\n" not in str(outcome.error) for outcome in outcomes)
