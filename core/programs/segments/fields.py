"""The fields that a segment can ask for: their operators, and their SQL on `app.contacts c`."""

import re
from datetime import UTC

from core.programs.segments import related
from core.programs.segments.conditions import (
    COUNTS,
    EQUAL,
    ORDER,
    THERE,
    Condition,
    Field,
    compare_json,
    has_identity,
    negated,
    texts,
)
from core.programs.segments.values import (
    Arguments,
    read_day,
    read_id,
    read_list,
    read_moment,
    read_span,
    read_text,
    refuse,
)
from shared.utils.zones import is_zone

_SLUG = re.compile(r"[a-z][a-z0-9-]{0,63}")
_ANY_NAME = re.compile(r"[^\x00-\x1f]{1,100}")
_STEP = re.compile(r"[a-z][a-z0-9-]{0,63}/[a-z][a-z0-9-]{0,63}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = frozenset(("before", "after", "within_last", "longer_ago"))
_DAYS = frozenset(("before", "after", "on", "within_last", "within_next"))


def _tags(one: Condition, arguments: Arguments) -> str:
    if one.op == "has":
        tags = [read_text(one.value, one.value_path)]
        return f"c.tags @> {arguments.bind(tags, 'text[]')}"
    tags = read_list(one.value, one.value_path, read_text)
    sign = "@>" if one.op == "all_of" else "&&"
    return negated(one.op, f"c.tags {sign} {arguments.bind(tags, 'text[]')}")


def _attribute(one: Condition, arguments: Arguments) -> str:
    value = f"(c.attributes -> {arguments.bind(one.key, 'text')})"
    return _day(one, arguments, value) if one.op in _DAYS else compare_json(one, arguments, value)


def _day(one: Condition, arguments: Arguments, value: str) -> str:
    """Compare the day that a text begins with; days in this form compare as texts."""
    text = f"({value} #>> '{{}}')"
    day = f'left({text}, 10) COLLATE "C"'
    if one.op in ("within_last", "within_next"):
        span = read_span(one.value, one.value_path)
        today = arguments.now.astimezone(UTC).date()
        other = today - span if one.op == "within_last" else today + span
        low, high = sorted((today.isoformat(), other.isoformat()))
        test = f"{day} BETWEEN {arguments.bind(low, 'text')} AND {arguments.bind(high, 'text')}"
    else:
        sign = {"before": "<", "after": ">", "on": "="}[one.op]
        test = f"{day} {sign} {arguments.bind(read_day(one.value, one.value_path), 'text')}"
    is_day = rf"{text} ~ '^\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])($|[T ])'"
    return f"coalesce(jsonb_typeof({value}) = 'string' AND {is_day} AND {test}, false)"


def _locale(one: Condition, arguments: Arguments) -> str:
    """A language stands for all its regions: `pt` is also `pt-BR`."""
    if one.op in THERE:
        return negated(one.op, "c.locale IS NOT NULL")
    wanted = arguments.bind([tag.lower() for tag in texts(one)], "text[]")
    return negated(
        one.op,
        f"EXISTS (SELECT FROM unnest({wanted}) w (tag)"
        " WHERE lower(c.locale) = w.tag OR starts_with(lower(c.locale), w.tag || '-'))",
    )


def _timezone(one: Condition, arguments: Arguments) -> str:
    if one.op in THERE:
        return negated(one.op, "c.timezone IS NOT NULL")
    for name in (zones := texts(one)):
        if not is_zone(name):
            raise refuse(one.value_path, "is no time zone; use a name like Europe/Lisbon")
    wanted = arguments.bind(zones, "text[]")
    return negated(one.op, f"coalesce(c.timezone = ANY ({wanted}), false)")


def _channel(one: Condition, arguments: Arguments) -> str:
    """On a channel of this type."""
    wanted = arguments.bind(texts(one), "text[]")
    return negated(
        one.op,
        "EXISTS (SELECT FROM app.contact_identities i JOIN app.channels h"
        " ON h.creator_id = i.creator_id AND h.id = i.channel_id"
        f" WHERE i.creator_id = $1 AND i.contact_id = c.id AND h.type = ANY ({wanted}))",
    )


def _channel_id(one: Condition, arguments: Arguments) -> str:
    if one.op in ("eq", "ne"):
        ids = [read_id(one.value, one.value_path)]
    else:
        ids = read_list(one.value, one.value_path, read_id)
    return negated(one.op, has_identity(f"i.channel_id = ANY ({arguments.bind(ids, 'uuid[]')})"))


def _created_at(one: Condition, arguments: Arguments) -> str:
    sign, moment = _bound(one, arguments)
    return f"c.created_at {sign} {moment}"


def _last_inbound_at(one: Condition, arguments: Arguments) -> str:
    """The last on any channel; who never wrote has none."""
    if one.op in THERE:
        return negated(one.op, has_identity("i.last_inbound_at IS NOT NULL"))
    sign, moment = _bound(one, arguments)
    if sign == ">=":
        return has_identity(f"i.last_inbound_at >= {moment}")
    has_written = has_identity("i.last_inbound_at IS NOT NULL")
    return f"{has_written} AND NOT {has_identity(f'i.last_inbound_at >= {moment}')}"


def _silent(one: Condition, arguments: Arguments) -> str:
    """Has been there for so long without writing."""
    since = arguments.now - read_span(one.value, one.value_path)
    moment = arguments.bind(since, "timestamptz")
    return f"c.created_at <= {moment} AND NOT {has_identity(f'i.last_inbound_at > {moment}')}"


def _bound(one: Condition, arguments: Arguments) -> tuple[str, str]:
    """A comparison with a moment: its sign and the moment's placeholder."""
    if one.op in ("before", "after"):
        moment = read_moment(one.value, one.value_path)
    else:
        moment = arguments.now - read_span(one.value, one.value_path)
    sign = ">=" if one.op in ("after", "within_last") else "<"
    return sign, arguments.bind(moment, "timestamptz")


FIELDS: dict[str, Field] = {
    "tags": Field(ops=frozenset(("has", "any_of", "all_of", "none_of")), write=_tags),
    "attribute": Field(
        ops=EQUAL | ORDER | THERE | _DAYS,
        write=_attribute,
        key_pattern=_ANY_NAME,
        key_hint="group",
    ),
    "locale": Field(ops=EQUAL | THERE, write=_locale),
    "timezone": Field(ops=EQUAL | THERE, write=_timezone),
    "channel": Field(ops=EQUAL, write=_channel),
    "channel_id": Field(ops=EQUAL, write=_channel_id),
    "created_at": Field(ops=_TIME, write=_created_at),
    "last_inbound_at": Field(ops=_TIME | THERE, write=_last_inbound_at),
    "silent": Field(ops=frozenset(("for",)), write=_silent),
    "program": Field(
        ops=EQUAL | THERE, write=related.write_program, key_pattern=_SLUG, key_hint="weekly-plan"
    ),
    "answer": Field(
        ops=EQUAL | ORDER | THERE,
        write=related.write_answer,
        key_pattern=_STEP,
        key_hint="weekly-plan/how-was-it",
    ),
    "goal": Field(ops=EQUAL | THERE, write=related.write_goal, key_pattern=_SLUG, key_hint="walk"),
    "check_ins": Field(
        ops=COUNTS,
        write=related.write_check_ins,
        key_pattern=_SLUG,
        key_hint="walk",
        is_key_optional=True,
        is_counted=True,
    ),
    "latest": Field(
        ops=EQUAL | ORDER | THERE, write=related.write_latest, key_pattern=_SLUG, key_hint="walk"
    ),
    "missed": Field(ops=COUNTS, write=related.write_missed, is_counted=True),
    "consent": Field(
        ops=frozenset(("eq",)), write=related.write_consent, key_pattern=_SLUG, key_hint="broadcast"
    ),
    "broadcast": Field(
        ops=EQUAL | THERE, write=related.write_broadcast, key_pattern=_UUID, key_hint="<id>"
    ),
}
