"""AppError
├── InvalidInput 422 · Unauthorized 401 · Forbidden 403 · NotFound 404 · Conflict 409
├── BodyTooSlow 408 · PayloadTooLarge 413 · UnsupportedEncoding 415
├── AttachmentTooLarge 413 · AttachmentGone 410 · AttachmentNotFetchable 409
├── QuotaExceeded 429 ↻ · KnowledgeQuota 429 · Unavailable 503 ↻
├── TenantNotBound ⚑ · SecretError 503 ⚑ · ConfigurationError (exit 78)
├── ChannelError: VerificationError 401 · RateLimited ↻ · NetworkError ↻ · OutcomeUnknown ·
│   MessageRejected · RecipientUnreachable · ConversationMoved · AuthRevoked ⚑ · PermissionDenied ⚑
└── ModelError: ModelUnavailable ↻ · TruncatedStream ↻ · ContextTooLong · PromptRenderError

↻ retryable, ⚑ loggable. A class docstring is its default message."""

from typing import ClassVar, Literal


class AppError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    loggable: ClassVar[bool] = False

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n")[0])
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        return str(self.args[0])


class InvalidInput(AppError):
    """The input is not valid."""

    code = "invalid_input"
    status = 422

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        super().__init__(message)
        self.detail_code = code


class Unauthorized(AppError):
    """Authentication is missing or wrong."""

    code = "unauthorized"
    status = 401


class Forbidden(AppError):
    """This is not allowed."""

    code = "forbidden"
    status = 403


class NotFound(AppError):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class Conflict(AppError):
    """The request conflicts with what is stored."""

    code = "conflict"
    status = 409


class BodyTooSlow(AppError):
    """The rest of the body did not come in time."""

    code = "body_too_slow"
    status = 408


class PayloadTooLarge(AppError):
    """The payload is too large."""

    code = "payload_too_large"
    status = 413


class AttachmentTooLarge(AppError):
    """The attachment is larger than what is fetched."""

    code = "too_large"
    status = 413


class AttachmentGone(AppError):
    """The platform no longer has this attachment."""

    code = "gone"
    status = 410


class AttachmentNotFetchable(AppError):
    """There is nothing to fetch, or the channel may not."""

    code = "not_fetchable"
    status = 409


class UnsupportedEncoding(AppError):
    """This content encoding is not accepted."""

    code = "unsupported_encoding"
    status = 415


class QuotaExceeded(AppError):
    """Too many requests; try again later."""

    code = "rate_limited"
    status = 429
    retryable = True


class KnowledgeQuota(QuotaExceeded):
    """There is no room for another document; delete one first."""

    code = "knowledge_quota"
    retryable = False


class Unavailable(AppError):
    """A service we depend on is away; try again soon."""

    code = "unavailable"
    status = 503
    retryable = True


class TenantNotBound(AppError):
    """A database session was used without a creator."""

    code = "tenant_not_bound"
    loggable = True


class SecretError(AppError):
    """A stored secret cannot be read with the configured keys."""

    code = "secret_unreadable"
    status = 503  # until the operator brings the key back
    loggable = True


class ConfigurationError(AppError):
    """The configuration is not valid."""

    code = "configuration_error"
    exit_code: ClassVar[int] = 78  # EX_CONFIG of sysexits.h


Scope = Literal["conversation", "channel"]
UnreachableReason = Literal["blocked", "deactivated", "opted_out", "invalid"]


class ChannelError(AppError):
    """The channel refused or failed."""

    code = "channel_error"
    status = 502
    scope: Scope = "conversation"

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        retry_after: float | None = None,
        scope: Scope | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.detail_code = code or self.code
        self.scope = scope or type(self).scope


class VerificationError(ChannelError):
    """The signature or secret of a webhook does not match."""

    code = "verification_failed"
    status = 401


class RateLimited(ChannelError):
    """The channel asked us to slow down."""

    code = "channel_rate_limited"
    retryable = True


class NetworkError(ChannelError):
    """The channel could not be reached; nothing was sent."""

    code = "channel_unreachable"
    retryable = True


class OutcomeUnknown(ChannelError):
    """The request left, but no answer came: it may or may not have been carried out."""

    code = "outcome_unknown"


class MessageRejected(ChannelError):
    """The channel refuses this message."""

    code = "message_rejected"


class RecipientUnreachable(ChannelError):
    """The recipient cannot be reached on this channel."""

    code = "recipient_unreachable"

    def __init__(self, message: str | None = None, *, reason: UnreachableReason) -> None:
        super().__init__(message, code=f"recipient_{reason}")
        self.reason = reason


class ConversationMoved(ChannelError):
    """The platform moved this conversation to a new address."""

    code = "conversation_moved"

    def __init__(self, message: str | None = None, *, new_chat: str) -> None:
        super().__init__(message)
        self.new_chat = new_chat


class AuthRevoked(ChannelError):
    """The channel no longer accepts our credentials."""

    code = "channel_auth_revoked"
    loggable = True
    scope = "channel"


class PermissionDenied(ChannelError):
    """The channel's credentials lack a permission."""

    code = "channel_permission_denied"
    loggable = True


class ModelError(AppError):
    """The language model failed."""

    code = "model_error"
    status = 503


class ModelUnavailable(ModelError):
    """The language model is away."""

    code = "model_unavailable"
    retryable = True


class TruncatedStream(ModelError):
    """The model's answer ended before it was done."""

    code = "truncated_stream"
    retryable = True


class ContextTooLong(ModelError):
    """The prompt does not fit the model's context."""

    code = "context_too_long"


class PromptRenderError(ModelError):
    """A prompt template could not be rendered."""

    code = "prompt_render_error"
