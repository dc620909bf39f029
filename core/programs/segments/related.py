"""What a segment asks of a contact's related rows: programs, goals, check-ins, consent, sends.

EXISTS throughout: the planner joins where it can and looks up by the contact's index where it
can't, so that nothing is ever gathered in memory for all contacts.
"""

from datetime import timedelta

from core.programs.segments.conditions import SIGNS, THERE, Condition, compare_json, negated, words
from core.programs.segments.values import Arguments, read_count, read_id, refuse
from shared.models.consents import HASH_SQL

# A check-in is missed when its time is over; one that can be answered for ever, after a day.
MISSED_AFTER = timedelta(days=1)


def write_answer(one: Condition, arguments: Arguments) -> str:
    """What was answered the last time that the contact was in the program."""
    slug, step = one.key.split("/")
    key = arguments.bind(step, "text")
    return compare_json(
        one,
        arguments,
        f"(SELECT e.answers -> {key} FROM app.enrolments e JOIN app.coaching_programs p"  # noqa: S608 - values are arguments
        " ON p.creator_id = e.creator_id AND p.id = e.program_id"
        " WHERE e.creator_id = $1 AND e.contact_id = c.id"
        f" AND p.slug = {arguments.bind(slug, 'text')} AND e.answers ? {key}"
        " ORDER BY e.started_at DESC, e.id DESC LIMIT 1)",
    )


def write_latest(one: Condition, arguments: Arguments) -> str:
    return compare_json(
        one,
        arguments,
        "(SELECT k.value FROM app.check_ins k JOIN app.goals g"  # noqa: S608 - values are arguments
        " ON g.creator_id = k.creator_id AND g.id = k.goal_id"
        " WHERE k.creator_id = $1 AND k.contact_id = c.id"
        f" AND g.slug = {arguments.bind(one.key, 'text')}"
        " ORDER BY k.local_day DESC, k.at DESC LIMIT 1)",
    )


def write_program(one: Condition, arguments: Arguments) -> str:
    """In a program in one of these states; known: ever."""
    slug = arguments.bind(one.key, "text")
    state = ""
    if one.op not in THERE:
        states = words(one, ("active", "paused", "completed", "exited", "cancelled"))
        state = f" AND e.status = ANY ({arguments.bind(states, 'text[]')})"
    return negated(
        one.op,
        "EXISTS (SELECT FROM app.enrolments e JOIN app.coaching_programs p"
        " ON p.creator_id = e.creator_id AND p.id = e.program_id"
        f" WHERE e.creator_id = $1 AND e.contact_id = c.id AND p.slug = {slug}{state})",
    )


def write_goal(one: Condition, arguments: Arguments) -> str:
    slug = arguments.bind(one.key, "text")
    state = ""
    if one.op not in THERE:
        states = words(one, ("active", "done", "dropped"))
        state = f" AND g.status = ANY ({arguments.bind(states, 'text[]')})"
    return negated(
        one.op,
        "EXISTS (SELECT FROM app.goals g WHERE g.creator_id = $1 AND g.contact_id = c.id"
        f" AND g.slug = {slug}{state})",
    )


def write_check_ins(one: Condition, arguments: Arguments) -> str:
    """How many there were, of one goal or of all."""
    count = arguments.bind(read_count(one.value, one.value_path), "bigint")
    of_goal, since = "", ""
    if one.key:
        of_goal = (
            " AND EXISTS (SELECT FROM app.goals g WHERE g.creator_id = k.creator_id"
            f" AND g.id = k.goal_id AND g.slug = {arguments.bind(one.key, 'text')})"
        )
    if one.within is not None:
        since = f" AND k.at >= {arguments.bind(arguments.now - one.within, 'timestamptz')}"
    return (
        "(SELECT count(*) FROM app.check_ins k WHERE k.creator_id = $1 AND k.contact_id = c.id"  # noqa: S608 - values are arguments
        f"{of_goal}{since}) {SIGNS[one.op]} {count}"
    )


def write_missed(one: Condition, arguments: Arguments) -> str:
    """How many check-ins were sent and not answered."""
    count = arguments.bind(read_count(one.value, one.value_path), "bigint")
    since = ""
    if one.within is not None:
        since = f" AND s.settled_at >= {arguments.bind(arguments.now - one.within, 'timestamptz')}"
    over = (
        f"(s.answer_until <= {arguments.bind(arguments.now, 'timestamptz')}"
        f" OR s.settled_at <= {arguments.bind(arguments.now - MISSED_AFTER, 'timestamptz')})"
    )
    return (
        "(SELECT count(*) FROM app.scheduled_sends s WHERE s.creator_id = $1"  # noqa: S608 - values are arguments
        " AND s.contact_id = c.id AND s.state = 'sent' AND s.answer_until IS NOT NULL"
        f" AND s.answered_at IS NULL AND {over}{since}) {SIGNS[one.op]} {count}"
    )


def write_consent(one: Condition, arguments: Arguments) -> str:
    """Whether a purpose is agreed to on some channel, as it stands now."""
    if not isinstance(one.value, bool):
        raise refuse(one.value_path, "must be true or false")
    purpose = arguments.bind(one.key, "text")
    # The identities' own names for channels, `c`, end with the inner SELECT.
    places = (
        f"SELECT i.contact_id, c.type || '/' || c.bot AS scope, {HASH_SQL} AS hash"  # noqa: S608 - values are arguments
        " FROM app.contact_identities i JOIN app.channels c"
        " ON c.creator_id = i.creator_id AND c.id = i.channel_id WHERE i.creator_id = $1"
    )
    agreed = (
        f"EXISTS (SELECT FROM ({places}) k JOIN app.consents s ON s.creator_id = $1"  # noqa: S608 - values are arguments
        f" AND s.scope = k.scope AND s.address_hash = k.hash AND s.purpose = {purpose}"
        " WHERE k.contact_id = c.id AND NOT EXISTS (SELECT FROM app.opt_outs o"
        " WHERE o.creator_id = $1 AND o.scope = k.scope AND o.address_hash = k.hash"
        f" AND o.purpose IN ('*', {purpose})))"
    )
    return agreed if one.value else f"NOT {agreed}"


def write_broadcast(one: Condition, arguments: Arguments) -> str:
    """What became of a broadcast to the contact; known: it was planned for them."""
    source = arguments.bind(read_id(one.key, f"{one.path}.field"), "uuid")
    state = ""
    if one.op not in THERE:
        states = words(one, ("waiting", "claimed", "sent", "skipped", "cancelled", "expired"))
        state = f" AND s.state = ANY ({arguments.bind(states, 'text[]')})"
    return negated(
        one.op,
        "EXISTS (SELECT FROM app.scheduled_sends s WHERE s.creator_id = $1"
        " AND s.source_kind = 'broadcast' AND s.step_key = '' AND s.contact_id = c.id"
        f" AND s.source_id = {source}{state})",
    )
