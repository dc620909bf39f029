"""What the Bot API's refusals mean to us: one table, by class and by description.

Telegram has no error codes below the HTTP status; its descriptions are stable in practice and are
matched in lower case. https://core.telegram.org/bots/api#making-requests
"""

import re

from aiogram import exceptions as telegram

from adapters.telegram.client import NotSent, UnreadableAnswer
from shared.errors import (
    AuthRevoked,
    ChannelError,
    ConversationMoved,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
    UnreachableReason,
)

_UNREACHABLE: tuple[tuple[str, UnreachableReason], ...] = (
    ("blocked by the user", "blocked"),
    ("bot was kicked", "blocked"),
    ("deactivated", "deactivated"),
    ("chat not found", "invalid"),
    ("user not found", "invalid"),
    ("peer_id_invalid", "invalid"),
    ("bot is not a member", "invalid"),
    ("can't initiate conversation", "invalid"),
    ("can't send messages to bots", "invalid"),
)
_FORBIDDEN_ACTS = ("not enough rights", "have no rights", "write_forbidden", "need administrator")
_TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{10,}")


def classify(error: Exception) -> ChannelError:
    """Translate what a Bot API call raised; what is not known to be refused is OutcomeUnknown."""
    match error:
        case ChannelError():
            return error
        case telegram.TelegramRetryAfter():
            return RateLimited(retry_after=float(error.retry_after))
        case telegram.TelegramMigrateToChat():
            return ConversationMoved(new_chat=str(error.migrate_to_chat_id))
        case telegram.TelegramUnauthorizedError() | telegram.TelegramNotFound():
            return AuthRevoked("Telegram does not know this bot token.")
        case telegram.TelegramConflictError():
            return _conflict(error)
        case telegram.TelegramNetworkError():
            return _network(error)
        case telegram.TelegramServerError():
            return OutcomeUnknown(f"Telegram failed while it had the request: {_said(error)}")
        case telegram.TelegramAPIError():
            return _refusal(error)
    return OutcomeUnknown(f"{type(error).__name__} while Telegram had the request")


def _network(error: telegram.TelegramNetworkError) -> ChannelError:
    if isinstance(error, NotSent):
        return NetworkError(f"Telegram could not be reached ({error.message}); nothing was sent.")
    if isinstance(error, telegram.TelegramEntityTooLarge):
        return MessageRejected(_said(error), code="too_large")
    if isinstance(error, UnreadableAnswer) and error.status < 500 and error.status != 408:
        return MessageRejected(
            f"{error.message}: is `api_base_url` a Bot API server?",
            code="unreadable_answer",
            scope="channel",
        )
    return OutcomeUnknown(f"No answer from Telegram ({error.message})")


def _refusal(error: telegram.TelegramAPIError) -> ChannelError:
    said = error.message.lower()
    for phrase, reason in _UNREACHABLE:
        if phrase in said:
            return RecipientUnreachable(_said(error), reason=reason)
    if any(phrase in said for phrase in _FORBIDDEN_ACTS):
        return PermissionDenied(_said(error))
    if isinstance(error, telegram.TelegramForbiddenError):
        return RecipientUnreachable(_said(error), reason="invalid")
    return MessageRejected(_said(error))


def _conflict(error: telegram.TelegramConflictError) -> ChannelError:
    return ChannelError(
        "Something else receives this bot's updates (another poller, or a webhook): "
        f"stop it, or use another bot. Telegram says: {_said(error)}",
        code="telegram_conflict",
        scope="channel",
    )


def _said(error: telegram.DetailedAiogramError) -> str:
    """Telegram's words, short, and without what looks like a token (a proxy may echo a path)."""
    return _TOKEN.sub("…", error.message)[:300]
