"""What Slack posts, to events: pure and total. What is not understood becomes Unsupported.

Events come as JSON, commands and interactions as forms: https://docs.slack.dev/apis/events-api and
https://docs.slack.dev/interactivity/handling-user-interaction
"""

from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from adapters.slack import happenings, interactions
from adapters.slack.envelope import Envelope, WrongShape
from core.channels import Account, ChannelEvent, InboundRequest, Parsed, Reply
from shared.errors import InvalidInput
from shared.utils.json import parse_json
from shared.utils.text import clean_text

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 100


def parse_request(request: InboundRequest, account: Account) -> Parsed:
    """Events and the answer Slack waits for. Raises InvalidInput only for a broken body."""
    is_form = request.headers.get("content-type", "").split(";")[0].strip().lower() == _FORM
    payload = _form(request.body) if is_form else parse_json(request.body)
    if not isinstance(payload, dict):
        payload = {}
    if payload.get("type") == "url_verification" and isinstance(payload.get("challenge"), str):
        return Parsed(reply=Reply(body=payload["challenge"]))
    envelope = Envelope(account=account, request=request, payload=payload)
    return Parsed(events=_events(envelope, is_form=is_form))


def _events(envelope: Envelope, *, is_form: bool) -> tuple[ChannelEvent, ...]:
    try:
        if is_form:
            return interactions.events(envelope)
        return (happenings.event(envelope),)
    except (WrongShape, ValidationError, OverflowError):
        return (envelope.unsupported("shape"),)


def _form(body: bytes) -> dict[str, Any]:
    """A form's fields; an interaction's are the JSON in `payload`."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
            errors="replace",
        )
    except ValueError as error:
        raise InvalidInput("The body is not a form.", code="malformed_form") from error
    fields = {clean_text(name): clean_text(value) for name, value in pairs}
    if "payload" not in fields:
        return fields
    payload = parse_json(fields["payload"].encode())
    return payload if isinstance(payload, dict) else {}
