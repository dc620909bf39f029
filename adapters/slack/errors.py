"""What Slack's refusals mean to us: one table by error code.

Codes and their meaning: the "Errors" section of each method, such as
https://docs.slack.dev/reference/methods/chat.postMessage
"""

from collections.abc import Mapping

from slack_sdk.errors import SlackApiError

from adapters.slack.client import CallFailed, NotSent, UnreadableAnswer
from shared.errors import (
    AuthRevoked,
    ChannelError,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
    UnreachableReason,
)

REVOKED = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "not_authed",
        "token_expired",
        "token_revoked",
    }
)
UNREACHABLE: Mapping[str, UnreachableReason] = {
    "cannot_dm_bot": "invalid",
    "channel_not_found": "invalid",
    "user_disabled": "deactivated",
    "user_not_found": "invalid",
    "user_not_visible": "invalid",
    "users_not_found": "invalid",
}
DENIED = frozenset(
    {
        "access_denied",
        "accesslimited",
        "app_access_restricted",
        "app_missing_action_url",
        "as_user_not_supported",
        "cant_delete_message",
        "cant_update_message",
        "channel_type_not_supported",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "file_access_denied",
        "is_archived",
        "is_inactive",
        "messages_tab_disabled",
        "method_not_supported_for_channel_type",
        "missing_scope",
        "no_permission",
        "not_allowed",
        "not_allowed_token_type",
        "not_in_channel",
        "org_login_required",
        "posting_to_general_channel_denied",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "team_access_not_granted",
        "two_factor_setup_required",
    }
)
LIMITED = frozenset({"message_limit_exceeded", "rate_limited", "ratelimited"})
# Slack says of these that they were refused before anything was done.
AWAY = frozenset({"request_timeout", "service_unavailable", "team_added_to_org"})
# "It's possible some aspect of the operation succeeded before the error was raised."
UNKNOWN = frozenset({"fatal_error", "internal_error", "server_error"})

DEFAULT_WAIT_SECONDS = 1.0
LIMIT_WAIT_SECONDS = 30.0  # of limits that come without a Retry-After
MAX_WAIT_SECONDS = 3600.0


def classify(error: Exception) -> ChannelError:
    """Translate what a Web API call raised; what is not known to be refused is OutcomeUnknown."""
    match error:
        case ChannelError():
            return error
        case SlackApiError():
            return _refusal(error)
        case NotSent():
            return NetworkError(f"Slack could not be reached ({error.reason}); nothing was sent.")
        case UnreadableAnswer() if 300 <= error.status < 500 and error.status != 408:
            return MessageRejected(
                f"{error}: is `api_base_url` Slack's Web API?",
                code="unreadable_answer",
                scope="channel",
            )
        case CallFailed():
            return OutcomeUnknown(f"No answer from Slack ({error})")
    return OutcomeUnknown(f"{type(error).__name__} while Slack had the request")


def code_of(error: SlackApiError) -> str:
    """Slack's name of the refusal, such as `channel_not_found`."""
    data = error.response.data
    code = data.get("error") if isinstance(data, dict) else None
    return code if isinstance(code, str) and code else "unknown_error"


def _refusal(error: SlackApiError) -> ChannelError:
    code, status = code_of(error), error.response.status_code
    if status == 429 or code in LIMITED:
        return RateLimited(f"Slack says {code}.", retry_after=_retry_after(error))
    if code in UNKNOWN or status >= 500:
        return OutcomeUnknown(f"Slack failed while it had the request: {_said(error)}")
    if code in AWAY:
        return NetworkError(f"Slack says {code}; nothing was done.", retry_after=_header(error))
    if code in REVOKED:
        return AuthRevoked(f"Slack no longer accepts the token: {code}.", code=f"slack_{code}")
    if code in UNREACHABLE:
        return RecipientUnreachable(f"Slack says {code}.", reason=UNREACHABLE[code])
    if code in DENIED:
        return PermissionDenied(f"Slack says {_said(error)}.", code=f"slack_{code}")
    return MessageRejected(f"Slack says {_said(error)}.", code=f"slack_{code}"[:100])


def _retry_after(error: SlackApiError) -> float:
    """Slack's header; without one a little while, or longer where the limit is a workspace's."""
    is_general = code_of(error) == "message_limit_exceeded"
    return _header(error) or (LIMIT_WAIT_SECONDS if is_general else DEFAULT_WAIT_SECONDS)


def _header(error: SlackApiError) -> float | None:
    headers = {name.lower(): value for name, value in dict(error.response.headers or {}).items()}
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS)


def _said(error: SlackApiError) -> str:
    """The code, and what Slack adds: the scope that is missing, the field that is wrong."""
    data = error.response.data if isinstance(error.response.data, dict) else {}
    details = [str(data["needed"])] if data.get("needed") else []
    metadata = data.get("response_metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("messages"), list):
        details += [str(message) for message in metadata["messages"]]
    return f"{code_of(error)} ({'; '.join(details)})"[:300] if details else code_of(error)[:300]
