"""The forms Twilio posts: every name and value as it was signed, or one clean value a name."""

from urllib.parse import parse_qsl

from core.channels import InboundRequest
from shared.utils.text import clean_text

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 1000


def media_type(request: InboundRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_form(request: InboundRequest) -> bool:
    return media_type(request) in (FORM, "")


def pairs_of(body: bytes) -> list[tuple[str, str]]:
    """Names and values in order, blank ones too. Raises ValueError when there are too many."""
    # Latin-1 carries any byte through the reader, so that percent signs and raw bytes end up in
    # one UTF-8 text.
    pairs = parse_qsl(
        body.decode("latin-1"),
        keep_blank_values=True,
        encoding="latin-1",
        max_num_fields=MAX_FIELDS,
    )
    return [(_utf8(name), _utf8(value)) for name, value in pairs]


def fields_of(body: bytes) -> dict[str, str]:
    """The first value of each name, fit to be stored. Raises ValueError like `pairs_of`."""
    fields: dict[str, str] = {}
    for name, value in pairs_of(body):
        fields.setdefault(clean_text(name), clean_text(value))
    return fields


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "replace")
