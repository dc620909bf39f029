"""A creator whose every text is a canary: unique words that must never be met anywhere else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import httpx

from adapters.telegram.emulator import TelegramEmulator
from core.creators import NewCreator, add_creator
from core.llm.emulator.models import CHAT_MODEL
from core.llm.prompts import built_in
from core.rag.gate import calibration_for
from core.runtime import Runtime
from shared.models import embeddings, evaluations, migrations, sources
from shared.models.sources import Source
from shared.utils.ids import new_id
from tests.core.rag.files import docx, pdf
from tests.waiting import eventually

TOPIC = "juggling lanterns"
_PENDING = """
SELECT count(*) FROM app.messages
WHERE creator_id = $1 AND ((direction = 'in' AND status = 'pending')
                        OR (direction = 'out' AND status IN ('queued', 'sending')))
"""


@dataclass
class Canaries:
    """Words by what they were planted in."""

    words: dict[str, str] = field(default_factory=dict)

    def plant(self, place: str) -> str:
        # Letters only, so that no tokenizer takes it apart.
        word = "".join(chr(ord("g") + int(digit, 16)) for digit in uuid4().hex[:16])
        self.words[place] = word
        return word

    def found_in(self, *texts: object) -> list[str]:
        """The places whose words stand in one of these, however they are written."""
        haystack = "\n".join(_text(text) for text in texts).lower()
        return [place for place, word in self.words.items() if word in haystack]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class School:
    """A creator as its own programs see it: over HTTP."""

    runtime: Runtime
    creator: NewCreator
    http: httpx.AsyncClient
    telegram: TelegramEmulator
    bot_token: str

    @property
    def id(self) -> UUID:
        return self.creator.id

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.creator.api_key}"}

    async def api(self, method: str, path: str, **request: Any) -> Any:
        headers = self.headers | request.pop("headers", {})
        response = await self.http.request(method, f"/api/v1/{path}", headers=headers, **request)
        assert response.is_success, response.text
        return response.json() if response.content else None

    async def settled(self) -> None:
        """Wait until everything is answered and sent."""

        async def is_quiet() -> bool:
            async with self.runtime.database.transaction(self.id) as connection:
                left: int = await connection.fetchval(_PENDING, self.id)
            return left == 0

        await eventually(is_quiet)

    async def learns(self, documents: Mapping[str, str]) -> None:
        for title, text in documents.items():
            body = {"title": title, "text": text}
            added = await self.api("POST", "knowledge/documents", json=body)
            await self.runtime.knowledge.ingest(self.id, UUID(added["id"]))

    async def uploads(self, name: str, data: bytes) -> UUID:
        """A file, read and indexed."""
        added = await self.api("POST", "knowledge/documents", files={"file": (name, data)})
        document_id = UUID(added["id"])
        await self.runtime.knowledge.ingest(self.id, document_id)

        async def is_ready() -> bool:
            found = await self.runtime.knowledge.get_document(self.id, document_id)
            return found.status == "ready"

        await eventually(is_ready)
        return document_id

    async def opens_web(self, **fields: Any) -> dict[str, Any]:
        new = {"type": "web", "name": "Chat", "bot": "coach"} | fields
        channel: dict[str, Any] = await self.api("POST", "channels", json=new)
        return channel

    async def opens_telegram(self, base_url: str, **fields: Any) -> dict[str, Any]:
        """A bot of its own on the emulated server, with its webhook set."""
        secret, settings = fields.pop("secret_token", "s3cret"), fields.pop("settings", {})
        new = {"type": "telegram", "name": "Bot", "bot": "coach"} | fields
        new["credentials"] = {"bot_token": self.bot_token, "secret_token": secret}
        new["settings"] = {"api_base_url": base_url} | settings
        channel: dict[str, Any] = await self.api("POST", "channels", json=new)
        await self.api("POST", f"channels/{channel['id']}/connect")
        return channel

    async def hears(self, text: str, *, chat: int, name: str) -> None:
        bot = self.telegram.bots[self.bot_token]
        response = await self.telegram.says(text, chat=chat, name=name, bot=bot)
        assert response is not None
        assert response.status_code == 200, response.text


async def new_school(
    runtime: Runtime, http: httpx.AsyncClient, telegram: TelegramEmulator, name: str, token: str
) -> School:
    telegram.add_bot(token)
    creator = await add_creator(runtime.database, name)
    return School(runtime=runtime, creator=creator, http=http, telegram=telegram, bot_token=token)


@dataclass(kw_only=True)
class Guest:
    """A visitor of a school's web chat."""

    school: School
    route: str
    token: str = ""
    conversation_id: str = ""

    async def arrives(self, name: str, start: str = "") -> None:
        body = {"visitor": {"name": name, "locale": "en"}, "start": start}
        response = await self.school.http.post(f"/chat/{self.route}/sessions", json=body)
        assert response.status_code == 201, response.text
        self.token = response.json()["token"]
        self.conversation_id = response.json()["conversation_id"]
        await self.school.settled()

    async def says(self, text: str) -> None:
        body = {"id": str(uuid4()), "text": text}
        path = f"/chat/{self.route}/messages"
        response = await self.school.http.post(path, json=body, headers=self.headers)
        assert response.status_code == 202, response.text
        await self.school.settled()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def transcript(self) -> list[dict[str, Any]]:
        path = f"/chat/{self.route}/messages"
        response = await self.school.http.get(path, headers=self.headers)
        items: list[dict[str, Any]] = response.json()["items"]
        return items


async def fill(school: School, canaries: Canaries, telegram_url: str) -> None:
    """Give the school a canary in every field that takes a text."""
    plant = canaries.plant
    await school.api("POST", "api-keys", json={"name": plant("key name")})
    web = await school.opens_web(
        name=plant("web name"), settings={"allowed_origins": [f"https://{plant('origin')}.test"]}
    )
    await school.opens_telegram(
        telegram_url,
        name=plant("bot name"),
        secret_token=plant("webhook secret"),
        settings={"bot_username": plant("bot username"), "note": plant("setting")},
    )
    await _teach(school, canaries)
    await _upload(school, canaries)
    await _tune(school, canaries)
    await _measure(school, canaries)
    await _migrate(school, canaries)
    guest = Guest(school=school, route=web["route_key"])
    await guest.arrives(plant("visitor name"), start=plant("deep link"))
    await _set_goal(guest, canaries)
    await guest.says(f"Where do I learn {TOPIC}? {plant('question')}")
    await guest.says(f"/unknown {plant('command')}")
    await school.hears(plant("telegram text"), chat=501, name=plant("telegram name"))
    await school.hears(f"How do I begin with {TOPIC}?", chat=501, name="A")
    await school.settled()
    await _coach(school, guest, canaries)


async def _teach(school: School, canaries: Canaries) -> None:
    plant = canaries.plant
    await school.learns(
        {
            f"{TOPIC} {plant('title')}": f"# {TOPIC} {plant('heading')}\n\n"
            f"To begin with {TOPIC}, hold one lantern and breathe. {plant('document')} says that "
            f"{TOPIC} is learned at dawn."
        }
    )
    source = f"https://{plant('source')}.test/kites"
    added = await school.runtime.knowledge.add_document(
        school.id, title="Kites", text=f"Kites: {plant('page')}.", source_uri=source
    )
    await school.runtime.knowledge.ingest(school.id, added.id)


async def _upload(school: School, canaries: Canaries) -> None:
    """Files of every kind that is read in a child process, and one that is still to be read."""
    plant = canaries.plant
    chapter = plant("PDF chapter")
    page = f"{chapter}\nHow to begin with {TOPIC}: {plant('PDF page')} says so."
    read = pdf([page], outline=[(chapter, 0)])
    written = docx([(1, plant("DOCX heading")), (0, f"{TOPIC} at dawn: {plant('DOCX text')}.")])
    await school.uploads(f"{plant('PDF name')}.pdf", read)
    await school.uploads(f"{plant('DOCX name')}.docx", written)
    text_id = await school.uploads(
        f"{plant('file name')}.md", f"# Kites\n\nKites: {plant('file')}.".encode()
    )
    waiting = Source(filename=f"{plant('source name')}.txt", data=plant("source data").encode())
    async with school.runtime.database.transaction(school.id) as connection:
        await sources.put_source(connection, school.id, text_id, waiting)


async def _tune(school: School, canaries: Canaries) -> None:
    """A prompt and a model of its own, both in use."""
    plant = canaries.plant
    body = built_in("answer")[0].body.replace(
        "{{ persona }}", f"{{{{ persona }}}} {plant('prompt')}"
    )
    saved = {"body": body, "note": plant("prompt note")}
    await school.api("POST", "prompts/answer/versions", json=saved)
    label = {"label": "production", "version": 1}
    await school.api("POST", "prompts/answer/labels", json=label)
    model = {"name": "answers", "model_type": "chat", "model_path": f"ollama:{CHAT_MODEL.name}"}
    await school.api("POST", "models", json=model | {"dependencies": [plant("dependency")]})
    own = {"name": plant("model name"), "model_type": "chat", "model_path": "extractive"}
    await school.api("POST", "models", json=own)


async def _measure(school: School, canaries: Canaries) -> None:
    """A measurement, and calibrations of its own that are in use."""
    plant = canaries.plant
    measured = evaluations.NewEvaluation(
        kind="answers",
        subject="prompt answer@1",
        dataset=plant("data set"),
        dataset_hash=b"same",
        figures={"score": 1.0, "rung": plant("figure")},
    )
    name = plant("calibration")
    async with school.runtime.database.transaction(school.id) as connection:
        await evaluations.add(connection, school.id, measured)
        for space in await embeddings.spaces(connection, school.id):
            own = calibration_for(space.name).to_json() | {"name": name}
            await evaluations.store_calibration(
                connection, school.id, space.name, calibration=own, figures={"dataset": name}
            )


async def _migrate(school: School, canaries: Canaries) -> None:
    """A migration that has ended: the row is enough, nobody works on it."""
    plant, migration_id = canaries.plant, new_id()
    async with school.runtime.database.transaction(school.id) as connection:
        await migrations.insert(
            connection,
            school.id,
            migration_id,
            from_space=plant("old space"),
            to_space=plant("new space"),
            to_model=f"ollama:{plant('new model')}",
            batch_size=100,
            soak_seconds=0,
        )
        begun = await migrations.get(connection, school.id, migration_id)
        assert begun is not None
        ended = replace(
            begun,
            state="aborted",
            error_code="failed",
            error=plant("migration error"),
            verification={"question": plant("verification")},
        )
        await migrations.save(connection, school.id, ended)


async def _set_goal(guest: Guest, canaries: Canaries) -> None:
    await guest.says("/goal")
    await guest.says(f"learn {canaries.plant('goal')}")
    await guest.says(f"because {canaries.plant('reason')}")
    await guest.says("3")
    await guest.says("Morning")
    # A second one stays open in its session.
    await guest.says("/goal")
    await guest.says(f"open {canaries.plant('open form')}")


async def _coach(school: School, guest: Guest, canaries: Canaries) -> None:
    plant = canaries.plant
    contact = (await school.api("GET", "contacts"))["items"][0]["id"]
    await school.api("PATCH", f"contacts/{contact}", json={"name": plant("new name")})
    await school.api(
        "POST",
        f"conversations/{guest.conversation_id}/messages",
        json={"text": plant("coach text")},
        headers={"Idempotency-Key": plant("idempotency key")},
    )
