"""Who stops in their own language is answered in it, on Telegram and by text."""

from collections.abc import AsyncIterator

import pytest

from adapters.sms.emulator import SmsEmulator
from adapters.sms.render import segments
from core.optout_texts import TEXTS
from shared.settings import Settings
from tests.emulated import Stage, running_stage
from tests.learners import Learner


@pytest.mark.parametrize(
    ("stop", "start", "language"),
    [
        ("ARRET", "reprendre", "fr"),
        ("baja", "ALTA", "es"),
        ("Abmelden", "anmelden", "de"),
        ("durdur", "başlat", "tr"),
    ],
)
async def test_a_word_is_answered_in_its_language(
    learner: Learner, stop: str, start: str, language: str
) -> None:
    [stopped] = await learner.asks(stop)
    assert stopped.text == TEXTS[language].stopped
    [resumed] = await learner.asks(start)
    assert resumed.text == TEXTS[language].resumed


CREATORS = "UPDATE app.creators SET locale = $2 WHERE creator_id = $1 RETURNING true"
CONTACTS = """
UPDATE app.contacts SET locale = $2, language = $3 WHERE creator_id = $1 RETURNING true
"""


@pytest.mark.parametrize(
    ("chosen", "device", "creators", "language"),
    [
        ("it", "de-AT", "fr", "it"),
        (None, "de-AT", "fr", "de"),
        (None, "sv", "pl", "pl"),
        ("sv", "fi", "da", "en"),
    ],
    ids=["chosen", "device", "creator", "none"],
)
async def test_a_word_of_every_language_is_answered_in_theirs(
    learner: Learner, chosen: str | None, device: str, creators: str, language: str
) -> None:
    await learner.asks("/help")
    await learner.app.fetch(CREATORS, creators)
    await learner.app.fetch(CONTACTS, device, chosen)
    [stopped] = await learner.asks("STOP")
    assert stopped.text == TEXTS[language].stopped
    [resumed, *_] = await learner.asks("START")
    assert resumed.text == TEXTS[language].resumed


async def test_single_purposes_are_named_in_their_language(learner: Learner) -> None:
    await learner.asks("/language de")
    [stopped] = await learner.asks("/stop news reminders")
    assert "Neuigkeiten, Erinnerungen" in stopped.text
    assert "/subscribe broadcasts reminders" in stopped.text
    [agreed] = await learner.asks("/subscribe reminders")
    assert agreed.text.startswith("Ab jetzt bekommst du von mir: Erinnerungen.")
    [asked] = await learner.asks("/subscribe")
    assert asked.text.startswith("Schreib /subscribe und eines davon")


@pytest.fixture
async def texting(settings: Settings) -> AsyncIterator[Stage]:
    async with running_stage(settings, "sms", bot="coach") as stage:
        assert isinstance(stage.emulator, SmsEmulator)
        yield stage


async def test_texts_name_who_texts_and_take_one_message(texting: Stage) -> None:
    place = texting.people[0]
    [channel] = await texting.app.fetch("SELECT name FROM app.channels WHERE creator_id = $1")
    for word, text in (
        ("JOIN", TEXTS["en"].texted_joined),
        ("ARRET", TEXTS["fr"].texted_stopped),
        ("reprendre", TEXTS["fr"].texted_resumed),
        ("parar", TEXTS["es"].texted_stopped),
        ("voltar", TEXTS["pt"].texted_resumed),
    ):
        [answer] = await texting.asks(place, word)
        assert answer.text == text.format(sender=channel["name"])
        assert segments(answer.text) == 1
