"""Slack: verify, parse, send and classify over the Web API, by webhook or by Socket Mode."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack import blocks, errors, files, history, render, signature, socket, stream
from adapters.slack.client import CallFailed, Clients, SlackClient
from adapters.slack.envelope import is_direct
from adapters.slack.install import install
from adapters.slack.install_state import Used
from adapters.slack.manifest import manifest
from adapters.slack.parse import parse_request
from adapters.slack.settings import check_account
from core.channels import (
    Account,
    Address,
    Capabilities,
    ChannelEvent,
    InboundRequest,
    Installations,
    OutboundPart,
    Parsed,
    Rate,
    Reply,
    Sender,
    SendResult,
)
from shared.errors import AuthRevoked, ChannelError, PermissionDenied

log = structlog.get_logger()

PROMPT_SECONDS = 1.5
_MAX_PROMPTS = 4


class SlackChannel:
    """A ChannelAdapter that also types, streams, reconciles, downloads, introduces and listens."""

    name: ClassVar[str] = "slack"
    credential_names: ClassVar[frozenset[str]] = frozenset(
        {"app_token", "bot_token", "client_id", "client_secret", "signing_secret"}
    )
    # Slack advises 4,000 characters a message and takes 3,000 in any one text object:
    # https://docs.slack.dev/reference/methods/chat.postMessage#truncating
    # One a second and channel, several hundred a minute and workspace:
    # https://docs.slack.dev/apis/web-api/rate-limits
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_text=3000,
        marks=frozenset({"bold", "italic", "strike", "code", "pre", "link", "quote"}),
        buttons=blocks.MAX_BUTTONS,
        button_value_bytes=blocks.MAX_VALUE,
        citations=True,
        edit=True,
        delete=True,
        reactions=True,
        threads=True,
        typing_seconds=100.0,  # a status is taken away after two minutes
        attachments=frozenset({"image"}),
        caption_max=3000,
        streaming="native",
        stream_seconds=1.2,  # chat.update: fifty a minute
        account_rate=Rate(per_second=5.0, burst=20),
        conversation_rate=Rate(per_second=1.0),
        group_rate=Rate(per_second=1.0),
        ack_seconds=3.0,
    )

    def __init__(self) -> None:
        self._clients = Clients()
        self._used_states = Used()

    # --- accounts

    def check_account(self, account: Account) -> None:
        """Raise InvalidInput, without showing a secret, when the account can't work."""
        check_account(account)

    def _api(self, account: Account, space: str | None) -> SlackClient:
        """The Web API with the workspace's token. Raises ChannelError where there is none."""
        token = account.credential("bot_token", space)
        if token:
            return self._clients.api(token, account.api_base_url)
        if account.installations or account.credentials.get("client_id"):
            raise PermissionDenied(
                "The app is not installed in this workspace (any more).",
                code="slack_not_installed",
            )
        raise AuthRevoked("There is no bot token.", code="slack_no_token")

    # --- inbound

    async def verify(self, request: InboundRequest, account: Account) -> None:
        """Slack's signature over the raw body, at most five minutes old."""
        signature.verify(request, account.credentials.get("signing_secret", ""))

    def parse(self, request: InboundRequest, account: Account) -> Parsed:
        return parse_request(request, account)

    def conversation(self, event: ChannelEvent) -> str:
        """A direct message by its person, everything else by its thread, in its workspace."""
        address = event.address
        space = address.space or "-"
        if is_direct(address.chat) or address.is_private:
            return f"{space}/dm/{address.person or address.chat}"
        return f"{space}/{address.chat}/{address.thread or '-'}"

    # --- outbound

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        api = self._api(account, to.space)
        try:
            response, warnings = await _post(api, to, part)
        except SlackApiError as error:
            raise errors.classify(error) from error
        await _suggest(api, to, part)
        return SendResult(
            external_ids=(f"{response['channel']}:{response['ts']}",), warnings=warnings
        )

    def classify(self, error: Exception) -> ChannelError:
        return errors.classify(error)

    async def find(
        self, to: Address, part: OutboundPart, account: Account, since: datetime
    ) -> SendResult | None:
        """Look for the part's marker in what was posted since; None when all was read."""
        try:
            return await history.find(self._api(account, to.space), to, part, since)
        except (SlackApiError, CallFailed) as error:
            raise errors.classify(error) from error

    async def typing(self, to: Address, account: Account) -> None:
        """Only assistant threads show it; Slack takes it away when the answer comes."""
        if not _is_assistant_thread(to):
            return
        with suppress(SlackApiError):  # an ordinary thread in a direct message
            await self._api(account, to.space).assistant_threads_setStatus(
                channel_id=to.chat, thread_ts=to.thread or "", status="is thinking…"
            )

    # --- growing answers

    async def start_stream(self, to: Address, markdown: str, account: Account) -> str:
        api = self._api(account, to.space)
        try:
            return await stream.start(api, to, markdown)
        except (SlackApiError, CallFailed) as error:
            raise errors.classify(error) from error

    async def grow_stream(
        self, to: Address, external_id: str, shown: str, markdown: str, account: Account
    ) -> None:
        api = self._api(account, to.space)
        try:
            await stream.grow(api, external_id, shown, markdown)
        except (SlackApiError, CallFailed) as error:
            raise errors.classify(error) from error

    async def end_stream(
        self, to: Address, external_id: str, part: OutboundPart, account: Account
    ) -> SendResult:
        api = self._api(account, to.space)
        try:
            return await stream.end(api, external_id, part)
        except (SlackApiError, CallFailed) as error:
            raise errors.classify(error) from error

    # --- people and files

    async def describe(self, address: Address, account: Account) -> Sender:
        """Name, locale and time zone as the person's profile tells."""
        person = address.person or address.chat
        try:
            response = await self._api(account, address.space).users_info(
                user=person, include_locale=True
            )
        except (SlackApiError, CallFailed) as error:
            raise errors.classify(error) from error
        user = response["user"]
        return _described(person, user if isinstance(user, dict) else {})

    async def download(self, ref: str, account: Account) -> AsyncGenerator[bytes, None]:
        """A file's bytes, of Slack's file host only. Raises ChannelError."""
        token = account.credential("bot_token", files.team_of(ref))
        if not token and len(account.installations) == 1:
            (only,) = account.installations.values()
            token = only.get("bot_token")
        if not token:
            raise PermissionDenied("No workspace's token reads this file.", code="file_denied")
        async for piece in files.download(
            self._clients.session(), ref, token, account.api_base_url
        ):
            yield piece

    # --- the app

    async def install(
        self, request: InboundRequest, account: Account, installations: Installations
    ) -> Reply:
        """A person's browser installs the app in a workspace; see `install`."""
        api = self._clients.api(None, account.api_base_url)
        return await install(request, account, installations, client=api, used=self._used_states)

    def manifest(self, account: Account, public_base_url: str) -> dict[str, Any]:
        return manifest(account, public_base_url)

    def listen(self, account: Account) -> AsyncGenerator[InboundRequest, None]:
        """Receive over Socket Mode for ever; see `socket.listen`."""
        api = self._clients.api(account.credentials.get("app_token"), account.api_base_url)
        return socket.listen(api, account)

    async def close(self) -> None:
        await self._clients.close()


def create_adapter() -> SlackChannel:
    return SlackChannel()


async def _post(api: SlackClient, to: Address, part: OutboundPart) -> tuple[Any, tuple[str, ...]]:
    """Slack fetches pictures while it posts, and refuses the whole message when it can't."""
    target: dict[str, Any] = {
        "channel": to.chat,
        "thread_ts": to.thread,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    try:
        return await api.chat_postMessage(**target, **render.message(part)), ()
    except SlackApiError as error:
        if not part.attachments or errors.code_of(error) != "invalid_blocks":
            raise
    linked = render.message(part, images_as_links=True)
    return await api.chat_postMessage(**target, **linked), ("images_as_links",)


async def _suggest(api: SlackClient, to: Address, part: OutboundPart) -> None:
    """An assistant thread offers choices above its input too. Never a reason to fail a send."""
    if not part.choices or not _is_assistant_thread(to):
        return
    prompts = [
        {"title": choice.label, "message": choice.label} for choice in part.choices[:_MAX_PROMPTS]
    ]
    try:
        async with asyncio.timeout(PROMPT_SECONDS):
            await api.assistant_threads_setSuggestedPrompts(
                channel_id=to.chat, thread_ts=to.thread, prompts=prompts
            )
    except (SlackApiError, CallFailed, TimeoutError) as error:
        log.debug("slack.no_prompts", error=type(error).__name__)


def _is_assistant_thread(to: Address) -> bool:
    return to.chat.startswith("D") and to.thread is not None


def _described(person: str, user: dict[str, Any]) -> Sender:
    profile = user.get("profile")
    names = [user.get("real_name"), profile.get("real_name") if isinstance(profile, dict) else None]
    return Sender(
        address=person,
        name=next((name for name in names if isinstance(name, str) and name), ""),
        username=user["name"] if isinstance(user.get("name"), str) else None,
        locale=user["locale"] if isinstance(user.get("locale"), str) else None,
        timezone=user["tz"] if isinstance(user.get("tz"), str) else None,
    )
