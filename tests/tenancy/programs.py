"""Two schools that reach out: one whose every text is a canary, another that does the same."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.tenancy.canaries import Canaries, School
from tests.waiting import eventually

CHAT = 601
EVERYONE: dict[str, Any] = {"all": []}
IMPLIED: dict[str, Any] = {
    "broadcast_consent": "implied",
    "unsubscribe_links": True,
    "silence_days": [],
}


@dataclass(kw_only=True)
class Outreach:
    """A school with a learner on Telegram, a program, news and tickets; what it was answered."""

    school: School
    channel_id: str
    contact_id: str
    program_id: str = ""

    @property
    def replies(self) -> list[str]:
        bot = self.school.telegram.bots[self.school.bot_token]
        return [message.text for message in bot.sent]

    async def arrives(self, *words: str) -> None:
        """Wait until a message that holds each of these was delivered."""
        for word in words:
            await eventually(lambda: any(word in text for text in self.replies))  # noqa: B023
        await self.school.settled()

    async def runs(self, program: dict[str, Any]) -> None:
        """Put the learner into a program, and wait for its nudge, however the model words it."""
        added = await self.school.api("POST", "programs", json=program)
        self.program_id = added["id"]
        await self.school.api("POST", f"programs/{self.program_id}/publish")
        people = {"contact_ids": [self.contact_id]}
        await self.school.api("POST", f"programs/{self.program_id}/enrolments", json=people)
        query = {"program": self.program_id, "state": "sent"}

        async def is_nudged() -> bool:
            sent = await self.school.api("GET", "scheduled-sends", params=query)
            return any(send["step_key"] == "nudge" for send in sent["items"])

        await eventually(is_nudged)
        await self.school.settled()

    async def tells(self, **news: Any) -> str:
        """Send news to everyone of a segment; the broadcast's id."""
        text = news["content"]["en"]
        added = await self.school.api("POST", "broadcasts", json=news)
        await self.school.api("POST", f"broadcasts/{added['id']}/start")
        await self.arrives(text)
        return str(added["id"])

    async def hands_out(self) -> list[str]:
        """Every file of an export of the learner."""
        path = f"contacts/{self.contact_id}/export"
        export_id = (await self.school.api("POST", path))["id"]

        async def done() -> Any:
            shown = await self.school.api("GET", f"exports/{export_id}")
            return shown if shown["state"] == "done" else None

        files = (await eventually(done))["files"]
        path = f"/api/v1/exports/{export_id}/files"
        get, headers = self.school.http.get, self.school.headers
        return [(await get(f"{path}/{file['name']}", headers=headers)).text for file in files]

    async def takes_in(self, rows: str) -> str:
        """Import a file of contacts; its id once every line is handled."""
        added = await self.school.api(
            "POST",
            "contacts/import",
            data={"channel_id": self.channel_id},
            files={"file": ("people.csv", rows.encode())},
        )

        async def done() -> bool:
            shown = await self.school.api("GET", f"contacts/import/{added['id']}")
            return bool(shown["status"] == "done")

        await eventually(done)
        return str(added["id"])

    async def erases(self, name: str) -> None:
        """Erase the contact of this name."""
        people = (await self.school.api("GET", "contacts"))["items"]
        [gone] = [person["id"] for person in people if person["name"] == name]
        erasure = await self.school.api("DELETE", f"contacts/{gone}")

        async def done() -> bool:
            found = await self.school.api("GET", f"erasures/{erasure['id']}")
            return bool(found["state"] == "done")

        await eventually(done)


async def reaching_out(school: School, telegram_url: str, name: str, **policy: Any) -> Outreach:
    """A learner has written to the school's bot, so that it may write to them."""
    channel = await school.opens_telegram(telegram_url)
    await school.api("PUT", "policy", json=IMPLIED | policy)
    await school.hears("/start", chat=CHAT, name=name)
    await school.settled()
    [contact] = (await school.api("GET", "contacts"))["items"]
    return Outreach(school=school, channel_id=channel["id"], contact_id=contact["id"])


def nudge(key: str, text: str) -> dict[str, Any]:
    """A step that a model words anew, at once."""
    at_once = {"anchor": "enrolment"}
    return {"key": key, "kind": "nudge", "template": "nudge", "content": text, "when": at_once}


async def fill_outreach(school: School, canaries: Canaries, telegram_url: str) -> Outreach:
    """Give the school a canary in every field of what reaches out."""
    plant = canaries.plant
    policy = {
        "handoff": {
            "crisis_words": [plant("crisis word")],
            "crisis_texts": {"en": f"{plant('crisis text')} {{line}}"},
            "rules": [{"words": [plant("rule word")], "note": plant("rule note")}],
        }
    }
    out = await reaching_out(school, telegram_url, plant("learner"), **policy)
    await _describe(out, canaries)
    await _coach(out, canaries)
    await _tell(out, canaries)
    await _ask_for_people(out, canaries)
    await _import(out, canaries)
    return out


async def _describe(out: Outreach, canaries: Canaries) -> None:
    """What is known of the learner: tags, attributes, goals with their days, what they agreed."""
    plant, person = canaries.plant, f"contacts/{out.contact_id}"
    known = {"tags": [plant("tag")], "attributes": {plant("attribute"): plant("attribute value")}}
    await out.school.api("PATCH", person, json=known)
    goal = {
        "title": plant("goal title"),
        "slug": plant("goal slug"),
        "unit": plant("unit"),
        "kind": "text",
        "detail": {plant("detail key"): plant("detail")},
    }
    added = await out.school.api("POST", f"{person}/goals", json=goal)
    day = {"goal_id": added["id"], "value": plant("check-in")}
    await out.school.api("POST", f"{person}/check-ins", json=day)
    agreed = {
        "channel_id": out.channel_id,
        "action": "granted",
        "purposes": [plant("purpose")],
        "evidence": {"text": plant("evidence"), "url": f"https://{plant('evidence url')}.test"},
    }
    await out.school.api("POST", f"{person}/consents", json=agreed)


async def _coach(out: Outreach, canaries: Canaries) -> None:
    """A program whose question is answered and whose nudge a model is asked to word."""
    plant = canaries.plant
    question = {
        "key": plant("step key"),
        "kind": "question",
        "content": {"en": plant("step text"), "de": plant("step text in german")},
        "expects": {"kind": "text", "thanks": plant("thanks")},
        "when": {"anchor": "enrolment"},
    }
    branch = {"op": "eq", "value": plant("branch value"), "goto": "end"}
    fork = {"key": "fork", "kind": "branch", "branches": [branch]}
    call = {
        "key": "call",
        "kind": "handoff",
        "reason": plant("reason of a call"),
        "when": {"offset": "30 days"},
    }
    program = {
        "slug": plant("program slug"),
        "name": plant("program name"),
        "entry": {"field": "tags", "op": "has", "value": plant("entry tag")},
        "exit": {"field": "tags", "op": "has", "value": plant("exit tag")},
        "steps": [question, nudge("nudge", f"Keep going, {plant('nudge')}."), fork, call],
    }
    words = canaries.words
    await out.runs(program)
    await out.arrives(words["step text"])
    await out.school.hears(plant("answer"), chat=CHAT, name=words["learner"])
    await out.school.settled()
    path = f"programs/{out.program_id}"
    note = {"note": plant("version note")}
    await out.school.api("PUT", path, json=program | {"name": plant("new name")}, params=note)


async def _tell(out: Outreach, canaries: Canaries) -> None:
    plant = canaries.plant
    tag = {"field": "tags", "op": "has", "value": canaries.words["tag"]}
    segment = {"name": plant("segment"), "filter": {"any": [tag]}}
    added = await out.school.api("POST", "segments", json=segment)
    content = {"en": plant("news"), "pt-BR": plant("news in portuguese")}
    await out.tells(name=plant("broadcast"), content=content, segment_id=added["id"])


async def _ask_for_people(out: Outreach, canaries: Canaries) -> None:
    plant, api = canaries.plant, out.school.api
    conversation = (await api("GET", "conversations"))["items"][0]["id"]
    asked = {"conversation_id": conversation, "detail": plant("ticket")}
    ticket = await api("POST", "tickets", json=asked)
    await api("POST", f"tickets/{ticket['id']}/notes", json={"text": plant("ticket note")})
    await api("POST", f"tickets/{ticket['id']}/reply", json={"text": plant("ticket reply")})
    await out.arrives(canaries.words["ticket reply"])
    await api("POST", f"tickets/{ticket['id']}/return")


async def _import(out: Outreach, canaries: Canaries) -> None:
    """Contacts from a file, one of whom is erased; the learner is handed out what is held."""
    plant = canaries.plant
    column, gone = plant("import column"), plant("erased name")
    header = f"address,name,tags,consent_purposes,consent_source,consent_evidence,{column}\n"
    rows = (
        f"700001,{plant('imported name')},{plant('imported tag')},coaching,"
        f"{plant('import source')},{plant('import evidence')},={plant('import value')}\n"
        f"700002,{gone},,,,,\n"
        f"bad address {plant('refused address')},x,,,,,\n"
    )
    await out.takes_in(header + rows)
    await out.erases(gone)
    exported = await out.hands_out()
    assert {"goal title", "answer", "evidence"} <= set(canaries.found_in(exported))


async def visit_outreach(school: School, telegram_url: str) -> tuple[Outreach, list[Any]]:
    """The same of another school, in plain words: what it did, and everything it was shown."""
    api = school.api
    out = await reaching_out(school, telegram_url, "Grace")
    program = {
        "slug": "walk",
        "name": "Walk",
        "steps": [nudge("nudge", "Ten minutes in the park are enough.")],
    }
    goal = {"title": "Walk each day", "slug": "walk"}
    await api("POST", f"contacts/{out.contact_id}/goals", json=goal)
    await out.runs(program)
    shown = [await api("POST", f"programs/{out.program_id}/preview", json={})]
    news = {"name": "News", "content": {"en": "We meet on Sunday."}, "filter": EVERYONE}
    broadcast_id = await out.tells(**news)
    for action in ("dry-run", "cancel"):
        draft = (await api("POST", "broadcasts", json=news))["id"]
        shown.append(await api("POST", f"broadcasts/{draft}/{action}", json={}))
    for said in ("/progress", "/goals", "I feel well today"):
        await school.hears(said, chat=CHAT, name="Grace")
        await school.settled()
    await out.takes_in("address,name\n700001,Hugo\n")
    shown.append(await api("POST", "segments/preview", json={"filter": EVERYONE}))
    shown += [await api("GET", path) for path in _own_paths(out, UUID(broadcast_id))]
    return out, [*shown, *await out.hands_out()]


def _own_paths(out: Outreach, broadcast_id: UUID) -> list[str]:
    person, program = f"contacts/{out.contact_id}", f"programs/{out.program_id}"
    return [
        person,
        *(f"{person}/{part}" for part in ("goals", "check-ins", "consents")),
        program,
        *(f"{program}/{part}" for part in ("versions", "steps", "enrolments")),
        f"broadcasts/{broadcast_id}",
        f"broadcasts/{broadcast_id}/recipients",
        "usage",
    ]
