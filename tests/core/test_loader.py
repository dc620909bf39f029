"""The loader: channels and bots are found in folders; what breaks the contract is named at once."""

from pathlib import Path
from textwrap import dedent

import pytest

from core.emulators import Emulator
from core.loader import load_bots, load_channels, load_emulators
from shared.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Names of extra packages are remembered by folder name, so each test uses its own."""
    return tmp_path


def write(folder: Path, family: str, name: str, file: str, text: str) -> None:
    target = folder / family / name
    target.mkdir(parents=True)
    (target / f"{file}.py").write_text(dedent(text), encoding="utf-8")


def test_the_trees_own_channels_and_bots_are_found() -> None:
    assert {"telegram", "web"} <= set(load_channels())
    coach = load_bots()["coach"]
    assert coach.folder is not None
    assert (coach.folder / "bot.py").is_file()


def test_a_bot_of_an_extra_folder_can_import_its_neighbours(folder: Path) -> None:
    write(folder, "bots", "neighbours", "words", 'GREETING = "Ahoy!"')
    (folder / "bots" / "neighbours" / "bot.py").write_text(
        "from core.bots import Bot\nfrom .words import GREETING\n"
        'bot = Bot(name="neighbours", persona="p", greeting=GREETING)\n',
        encoding="utf-8",
    )
    bot = load_bots([folder])["neighbours"]
    assert bot.greeting == "Ahoy!"
    assert bot.folder == folder / "bots" / "neighbours"


def test_a_complete_useful_bot_fits_in_25_lines(folder: Path) -> None:
    text = """
    from pydantic import BaseModel, Field

    from core.bots import Bot, Turn

    bot = Bot(name="tiny", persona="You help to learn words.", greeting="Hello!")

    class Word(BaseModel):
        word: str = Field(title="Which word?", min_length=1)

    @bot.command("learn", help="add a word")
    async def learn(turn: Turn) -> None:
        turn.ask(Word)

    @bot.form(Word)
    async def learned(turn: Turn, form: Word) -> None:
        turn.memory.setdefault("words", []).append(form.word)
        turn.say(f"Noted: **{form.word}**", choices=["/learn", "/words"])

    @bot.command("words", help="see your words")
    async def words(turn: Turn) -> None:
        turn.say("\\n".join(turn.memory.get("words", [])) or "None yet.")
    """
    assert len(text.strip().splitlines()) <= 25
    write(folder, "bots", "tiny", "bot", text)
    assert set(load_bots([folder])["tiny"].commands) == {"learn", "words"}


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("none", "answer = 42", "must define `bot = Bot"),
        ("missing", "import no_such_package", "cannot be imported: No module named"),
        (
            "twice",
            'from core.bots import Bot\nbot = Bot(name="coach", persona="p")',
            "two bots are called 'coach'",
        ),
    ],
    ids=["no-bot", "missing-package", "name-taken"],
)
def test_a_broken_bot_is_named_with_a_hint(folder: Path, name: str, text: str, hint: str) -> None:
    write(folder, "bots", f"broken_{name}", "bot", text)
    with pytest.raises(ConfigurationError, match=hint):
        load_bots([folder])


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("nothing", "", r"must define create_adapter\(\)"),
        (
            "bare",
            "class A: name = 'a'\ndef create_adapter(): return A()",
            "needs `capabilities = Capabilities",
        ),
        (
            "half",
            "from core.channels import Capabilities\n"
            "class A:\n"
            "    name = 'half'\n"
            "    capabilities = Capabilities(max_text=1)\n"
            "    def check_account(self, account): ...\n"
            "def create_adapter(): return A()",
            r"lacks verify\(\)",
        ),
    ],
    ids=["no-factory", "no-capabilities", "no-methods"],
)
def test_a_broken_adapter_is_named_with_a_hint(
    folder: Path, name: str, text: str, hint: str
) -> None:
    write(folder, "adapters", f"broken_{name}", "channel", text)
    with pytest.raises(ConfigurationError, match=hint):
        load_channels([folder])


def test_the_trees_own_emulators_are_found() -> None:
    emulators = load_emulators()
    assert {"telegram", "slack", "sms", "web"} <= set(emulators)
    assert all(isinstance(emulator, Emulator) for emulator in emulators.values())
    assert all(isinstance(emulator.credentials, dict) for emulator in emulators.values())


def test_an_emulator_of_an_extra_folder_stands_beside_its_adapter(folder: Path) -> None:
    text = """
    from adapters.web.emulator import WebVisitors

    class Pigeons(WebVisitors):
        name = "pigeon"

    def create_emulator():
        return Pigeons()
    """
    write(folder, "adapters", "pigeon", "emulator", text)
    assert load_emulators([folder])["pigeon"].name == "pigeon"


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("nothing", "", r"must define create_emulator\(\)"),
        (
            "half",
            "class E: name = 'half'\ndef create_emulator(): return E()",
            "the emulator is no ASGI application",
        ),
        (
            "mute",
            "class E:\n    name = 'mute'\n    def __call__(self): ...\n"
            "def create_emulator(): return E()",
            "the emulator lacks credentials; see core/emulators.py",
        ),
        (
            "taken",
            "from adapters.web.emulator import create_emulator",
            "two emulators are of 'web'",
        ),
    ],
    ids=["no-factory", "not-callable", "no-methods", "name-taken"],
)
def test_a_broken_emulator_is_named_with_a_hint(
    folder: Path, name: str, text: str, hint: str
) -> None:
    write(folder, "adapters", f"emulator_{name}", "emulator", text)
    with pytest.raises(ConfigurationError, match=hint):
        load_emulators([folder])
