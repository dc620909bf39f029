"""The emulated Slack as the simulator shows it: windows, and what their persons do in them."""

from adapters.slack import emulator_view
from adapters.slack.emulator_acts import Acts
from adapters.slack.emulator_state import EmulatedBot, Room
from core.emulators import Bubble, Place


class Window(Acts):
    """The first workspace's rooms, each through the eyes of one person."""

    bot: EmulatedBot

    @property
    def revision(self) -> int:
        return self.world.revision

    def places(self) -> tuple[Place, ...]:
        """Each person's direct conversation, and the channels as each person sees them."""
        team = self.workspace()
        people = [person for person in team.people.values() if not person.is_bot]
        direct = [
            Place(
                id=team.direct(self.bot, person).id,
                title=self.app.name,
                kind="dm",
                person=person.name,
            )
            for person in people
        ]
        channels = [
            Place(id=f"{room.id}/{person.id}", title=f"#{room.name}", kind="channel", person=name)
            for room in team.rooms.values()
            for person in people
            if not room.is_im and person.id in room.members and (name := person.name)
        ]
        return (*direct, *channels)

    def view(self, place: str) -> tuple[Bubble, ...]:
        room, person = self._stands_in(place)
        return emulator_view.bubbles(room, self.workspace(), person)

    def is_typing(self, place: str) -> bool:
        return any(self._stands_in(place)[0].statuses.values())

    def status(self, place: str) -> str:
        """What the bot says it is doing, such as `is typing…`."""
        return next(filter(None, self._stands_in(place)[0].statuses.values()), "")

    async def writes(self, place: str, text: str, *, thread: str | None = None) -> None:
        """`@Name` of the bot mentions it; a line that begins with `/` is a command."""
        room, person = self._stands_in(place)
        if text.startswith("/"):
            command, _, rest = text.partition(" ")
            await self.commands(command, rest, user=person, channel=room.id)
            return
        name = f"@{self.app.name.lower()}"
        position = text.lower().find(name)
        if position >= 0:
            end = position + len(name)
            text = f"{text[:position]}<@{self.bot.user.id}>{text[end:]}"
        await self.says(text, user=person, channel=room.id, thread=thread)

    async def presses(self, place: str, bubble: str, value: str) -> None:
        room, person = self._stands_in(place)
        stored = room.messages[bubble]
        for element in emulator_view.buttons(stored):
            if str(element.get("value", "")) == value:
                who = self.workspace().person(person)
                await self.tap(self.workspace().bot_of(self.app), who, room, stored, element)
                return
        raise LookupError("there is no such button")

    def _stands_in(self, place: str) -> tuple[Room, str]:
        """The room of a place, and whose window it is."""
        channel, _, person = place.partition("/")
        room = self.workspace().room(channel)
        return room, person or room.members[0]
