"""/u/{token}: end messages of one purpose. Looking at the page changes nothing; its button does.

Mail scanners and chat previews open every link, so only the POST counts. It works without script.
"""

from html import escape

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from core import consent, unsubscribe
from core.api.deps import RuntimeDep
from core.api.pages import content_policy
from core.audit import contact_actor
from core.runtime import Runtime
from core.unsubscribe import Wish
from shared.errors import NotFound
from shared.models.consents import Said
from shared.utils.ids import new_id

router = APIRouter(include_in_schema=False)

_WHAT = {
    consent.BROADCAST: "news and announcements",
    consent.COACHING: "check-ins and coaching messages",
    consent.REMINDER: "reminders",
    consent.ALL: "messages",
}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title></head>
<body><main><h1>{title}</h1>{body}</main></body>
</html>
"""
_ASK = """<p>You will get no more {what} from this bot. What you ask it is still answered.</p>
<form method="post"><button type="submit">Stop them</button></form>"""
_DONE = "<p>You will get no more {what} from this bot. You can close this page.</p>"
_UNKNOWN = "<p>This link doesn't work. To end messages, answer one of them with STOP.</p>"


@router.get("/u/{token}")
async def read_unsubscribe(token: str, runtime: RuntimeDep) -> HTMLResponse:
    try:
        wish = unsubscribe.read(runtime.keys, token)
    except NotFound:
        return _page("Unknown link", _UNKNOWN, 404)
    return _page("Stop these messages?", _ASK.format(what=_what(wish)))


@router.post("/u/{token}")
async def unsubscribe_by_link(token: str, runtime: RuntimeDep) -> HTMLResponse:
    """The same again changes nothing."""
    try:
        wish = unsubscribe.read(runtime.keys, token)
    except NotFound:
        return _page("Unknown link", _UNKNOWN, 404)
    await _end(runtime, wish)
    return _page("Done", _DONE.format(what=_what(wish)))


async def _end(runtime: Runtime, wish: Wish) -> None:
    async with runtime.database.transaction(wish.creator_id) as connection:
        person = await unsubscribe.find(connection, wish)
        said = Said(
            source="link",
            actor=contact_actor(person.contact_id) if person.contact_id else "link",
            at=runtime.clock.now(),
            evidence={"click": str(new_id())},
        )
        await consent.withdraw(connection, person, [wish.purpose], said)


def _what(wish: Wish) -> str:
    return _WHAT.get(wish.purpose, f"messages about {escape(wish.purpose)}")


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    headers = {
        "Content-Security-Policy": content_policy([], form_action="'self'"),
        "Cache-Control": "no-store",
    }
    return HTMLResponse(_PAGE.format(title=title, body=body), status, headers=headers)
