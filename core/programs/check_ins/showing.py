"""`/progress`: how somebody is getting on, as text everywhere and as a picture where one shows."""

from dataclasses import dataclass

from core.accounts import Accounts
from core.dialogue.commands import IN_PRIVATE, Call
from core.programs.check_ins.pictures import Pictures, Shot
from core.programs.check_ins.progress import show
from shared.database import DatabaseManager


@dataclass(frozen=True, kw_only=True)
class Showing:
    """The built-in command."""

    database: DatabaseManager
    accounts: Accounts
    pictures: Pictures

    async def progress(self, call: Call) -> None:
        """In private only: a room needn't know how somebody is getting on."""
        turn, contact_id = call.turn, call.work.contact_id
        if not turn.place.is_private:
            turn.say(IN_PRIVATE)
            return
        locale = call.work.language or turn.locale
        async with self.database.transaction(call.creator_id) as connection:
            shown = await show(
                connection, call.creator_id, contact_id, "progress", locale, call.now
            )
        record = await self.accounts.get(call.creator_id, call.work.channel_id)
        shot = Shot(creator_id=call.creator_id, contact_id=contact_id, at=call.now)
        picture = self.pictures.attachment(record.account, shot, shown.description)
        turn.say(shown.text, attachments=[picture] if picture else [])
