"""/u/{token}: end messages of one purpose. Looking at the page changes nothing; its button does.

Mail scanners and chat previews open every link, so only the POST counts. It works without script,
and without its looks where the web channel, whose they are, isn't installed.
"""

from collections.abc import Sequence
from html import escape

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from core import consent, unsubscribe
from core.api.deps import RuntimeDep
from core.api.pages import content_policy
from core.api.unsubscribe_texts import PAGE_TEXTS
from core.audit import contact_actor
from core.languages import FALLBACK, accepted, closest, in_language
from core.runtime import Runtime
from core.unsubscribe import Wish
from shared.errors import NotFound
from shared.models.consents import Said
from shared.utils.ids import new_id

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title>
<link rel="stylesheet" href="/static/theme.css">
<link rel="stylesheet" href="/static/notice.css"></head>
<body><main><h1>{title}</h1><p>{text}</p>{form}</main></body>
</html>
"""
_FORM = """<form method="post"><button type="submit">{button}</button></form>"""


@router.get("/u/{token}")
async def read_unsubscribe(token: str, request: Request, runtime: RuntimeDep) -> HTMLResponse:
    wanted = _accepted(request)
    try:
        wish = unsubscribe.read(runtime.keys, token)
    except NotFound:
        return _unknown(wanted)
    async with runtime.database.transaction(wish.creator_id) as connection:
        person = await unsubscribe.find(connection, wish)
        wanted = await unsubscribe.languages_of(connection, person) + wanted
    texts = in_language(PAGE_TEXTS, *wanted)
    text = texts.ask.format(what=texts.named(wish.purpose))
    return _page(wanted, texts.ask_title, text, button=texts.button)


@router.post("/u/{token}")
async def unsubscribe_by_link(token: str, request: Request, runtime: RuntimeDep) -> HTMLResponse:
    """The same again changes nothing."""
    wanted = _accepted(request)
    try:
        wish = unsubscribe.read(runtime.keys, token)
    except NotFound:
        return _unknown(wanted)
    wanted = await _end(runtime, wish) + wanted
    texts = in_language(PAGE_TEXTS, *wanted)
    return _page(wanted, texts.done_title, texts.done.format(what=texts.named(wish.purpose)))


async def _end(runtime: Runtime, wish: Wish) -> tuple[str | None, ...]:
    """Note the wish; the languages of who it is."""
    async with runtime.database.transaction(wish.creator_id) as connection:
        person = await unsubscribe.find(connection, wish)
        said = Said(
            source="link",
            actor=contact_actor(person.contact_id) if person.contact_id else "link",
            at=runtime.clock.now(),
            evidence={"click": str(new_id())},
        )
        await consent.withdraw(connection, person, [wish.purpose], said)
        return await unsubscribe.languages_of(connection, person)


def _accepted(request: Request) -> tuple[str | None, ...]:
    return accepted(request.headers.get("accept-language"))


def _unknown(wanted: Sequence[str | None]) -> HTMLResponse:
    texts = in_language(PAGE_TEXTS, *wanted)
    return _page(wanted, texts.unknown_title, texts.unknown, status=404)


def _page(
    wanted: Sequence[str | None], title: str, text: str, *, button: str = "", status: int = 200
) -> HTMLResponse:
    headers = {
        "Content-Security-Policy": content_policy([], form_action="'self'"),
        "Cache-Control": "no-store",
    }
    page = _PAGE.format(
        language=closest(PAGE_TEXTS, *wanted) or FALLBACK,
        title=escape(title, quote=False),
        text=escape(text, quote=False),
        form=_FORM.format(button=escape(button, quote=False)) if button else "",
    )
    return HTMLResponse(page, status, headers=headers)
