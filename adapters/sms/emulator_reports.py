"""What becomes of the messages an emulated account accepted, told by signed status callbacks."""

import asyncio
from dataclasses import dataclass

import httpx

from adapters.sms.emulator_account import Json, Text
from adapters.sms.emulator_faults import WALKS, Fault
from adapters.sms.emulator_people import People


@dataclass(kw_only=True)
class Reported:
    """One status callback and its answer's status; 0: nobody answered."""

    url: str
    form: Json
    status: int = 0


class Reports(People):
    """Walks each accepted message through its states, one callback after another."""

    def __init__(self) -> None:
        self.reported: list[Reported] = []
        self._held: list[tuple[Text, Fault]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_over = False

    def report(self, text: Text, fault: Fault | None) -> None:
        """Begin to tell of a message; where a fault holds it back, at its `release`."""
        if self._is_over:
            return
        if fault and (fault.kind == "late" or fault.held):
            self._held.append((text, fault))
        else:
            self._spawn(text, fault)

    def release(self) -> None:
        """Report the messages whose callbacks a fault holds back."""
        held, self._held[:] = list(self._held), []
        for text, fault in held:
            self._spawn(text, fault)

    async def settled(self) -> None:
        """Wait until every status callback under way has been answered."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def stop_reporting(self) -> None:
        self._is_over = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, text: Text, fault: Fault | None) -> None:
        task = asyncio.create_task(self._walk(text, fault))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _walk(self, text: Text, fault: Fault | None) -> None:
        kind = fault.kind if fault and fault.kind in WALKS else ""
        for status in WALKS[kind]:
            text.status = status
            if fault and status in ("failed", "undelivered"):
                text.error_code = fault.code
            self.account.revision += 1
            if text.callback and not (fault and fault.silent):
                await self._call_back(text.callback, self._receipt(text, status))

    def _receipt(self, text: Text, status: str) -> Json:
        form = {
            "SmsSid": text.sid,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": text.theirs,
            "MessageSid": text.sid,
            "AccountSid": self.account.sid,
            "From": text.ours,
            "ApiVersion": "2010-04-01",
        }
        if text.service:
            form["MessagingServiceSid"] = text.service
        return form | ({"ErrorCode": str(text.error_code)} if text.error_code else {})

    async def _call_back(self, url: str, form: Json) -> None:
        reported = Reported(url=url, form=form)
        self.reported.append(reported)
        try:
            reported.status = (await self.post(url, form)).status_code
        except httpx.HTTPError:
            return  # Twilio notes it in its debugger and goes on
