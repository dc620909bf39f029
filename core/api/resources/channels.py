"""/api/v1/channels: connect a bot to a platform. Credentials go in encrypted and never come out."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, StringConstraints

from core.accounts import check_names
from core.api.deps import PrincipalDep, RuntimeDep, TenantDb
from core.api.etags import IfMatch, check_unchanged, set_etag
from core.api.outgoing import check_api_base_url
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.resources.channel_shown import MASK, ChannelShown, show, webhook_url
from core.api.strict import Body, StrictRoute
from core.channels import Account, ChannelAdapter, Connects, DescribesApp
from core.dialogue.reply_stream import check_streaming
from core.pace import check_rates
from core.runtime import Runtime
from shared.errors import AppError, InvalidInput
from shared.models import audit
from shared.models.channels import Channel, Channels
from shared.models.installations import ChannelInstallations

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/api/v1/channels", tags=["channels"], route_class=StrictRoute)

CONNECT_SECONDS = 10.0
MAX_SETTINGS_BYTES = 20_000

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Credentials = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=5000)]], Field(max_length=20)
]


class NewChannel(Body):
    type: str = Field(max_length=50, examples=["telegram"])
    name: Name
    bot: str = Field(max_length=100, examples=["coach"])
    credentials: Credentials = Field(default_factory=dict)
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="`api_base_url` stands in for the platform's API, `allowed_origins` lists"
        " the sites that may embed a web channel",
    )


class ChannelPatch(Body):
    """What to change; `credentials` and `settings` replace the old ones whole."""

    name: Name | None = None
    bot: str | None = Field(None, max_length=100)
    status: Literal["active", "disabled"] | None = None
    credentials: Credentials | None = None
    settings: dict[str, Any] | None = None


class Connection(BaseModel):
    """The platform was told where our webhook is."""

    connected: Literal[True] = True
    webhook_url: str


@router.post("", status_code=201)
async def create_channel(
    body: NewChannel, principal: PrincipalDep, runtime: RuntimeDep, db: TenantDb
) -> ChannelShown:
    """Check and store a channel. `connect` then tells the platform about it."""
    adapter = _adapter(runtime, body.type)
    _check_bot(runtime, body.bot)
    _check_settings(runtime, body.settings)
    _check_names(adapter, body.credentials)
    account = await runtime.accounts.add(
        principal.creator_id,
        adapter,
        name=body.name,
        bot=body.bot,
        credentials=body.credentials,
        settings=body.settings,
    )
    channel = await Channels(db).get(account.channel_id)
    _audit(db, principal, "channel.created", channel.id, type=body.type)
    return await _show(runtime, db, channel)


@router.get("")
async def list_channels(
    principal: PrincipalDep,
    runtime: RuntimeDep,
    db: TenantDb,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ChannelShown]:
    cursors = Cursors("channels", principal.creator_id)
    rows = await Channels(db).newest(limit + 1, cursors.read_id(cursor))
    installed = await ChannelInstallations(db).of([row.id for row in rows])
    return cursors.page(
        rows, limit, lambda row: show(runtime, row, installed[row.id]), lambda row: [row.id]
    )


@router.get("/{channel_id}")
async def read_channel(
    channel_id: UUID, runtime: RuntimeDep, db: TenantDb, response: Response
) -> ChannelShown:
    channel = await Channels(db).get(channel_id)
    set_etag(response, channel.updated_at)
    return await _show(runtime, db, channel)


@router.get("/{channel_id}/manifest")
async def read_manifest(
    channel_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> dict[str, Any]:
    """The description from which the platform makes an app that is ready for this channel."""
    account = (await runtime.accounts.get(principal.creator_id, channel_id)).account
    adapter = _adapter(runtime, account.type)
    if not isinstance(adapter, DescribesApp):
        raise InvalidInput("this channel's platform takes no manifest", code="no_manifest")
    return adapter.manifest(account, runtime.settings.public_base_url)


@router.patch("/{channel_id}")
async def change_channel(
    channel_id: UUID,
    body: ChannelPatch,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    db: TenantDb,
    response: Response,
    if_match: IfMatch = None,
) -> ChannelShown:
    """Change some of a channel; all gateways and workers follow within seconds."""
    channels = Channels(db)
    channel = await channels.get(channel_id, for_update=True)
    check_unchanged(if_match, channel.updated_at)
    _apply(runtime, channel, body)
    await channels.touch(channel)
    changed = sorted(body.model_fields_set)
    _audit(db, principal, "channel.changed", channel_id, changed=changed)
    runtime.accounts.forget(channel_id)
    set_etag(response, channel.updated_at)
    return await _show(runtime, db, channel)


@router.delete("/{channel_id}", status_code=204)
async def delete_channel(
    channel_id: UUID, principal: PrincipalDep, runtime: RuntimeDep, db: TenantDb
) -> None:
    """Delete a channel with its conversations. The webhook is taken back with `disconnect`."""
    channels = Channels(db)
    await channels.delete(await channels.get(channel_id, for_update=True))
    _audit(db, principal, "channel.deleted", channel_id)
    runtime.accounts.forget(channel_id)


@router.post("/{channel_id}/connect")
async def connect_channel(
    channel_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> Connection:
    """Tell the platform where our webhook is. Safe to repeat."""
    account = (await runtime.accounts.get(principal.creator_id, channel_id)).account
    adapter = _connectable(runtime, account)
    url = webhook_url(runtime, account.type, account.route_key)
    told = await _call(adapter, adapter.connect(account, url))
    await _keep(runtime, principal.creator_id, channel_id, told or {})
    await _note(runtime, principal, "channel.connected", channel_id)
    return Connection(webhook_url=url)


@router.post("/{channel_id}/disconnect", status_code=204)
async def disconnect_channel(
    channel_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> None:
    """Take our webhook back from the platform."""
    account = (await runtime.accounts.get(principal.creator_id, channel_id)).account
    adapter = _connectable(runtime, account)
    await _call(adapter, adapter.disconnect(account))
    await _note(runtime, principal, "channel.disconnected", channel_id)


def _apply(runtime: Runtime, channel: Channel, body: ChannelPatch) -> None:
    """Put the patch on the row, after the adapter has checked what would come of it."""
    if body.bot is not None:
        _check_bot(runtime, body.bot)
    if body.credentials is not None or body.settings is not None:
        _apply_account(runtime, channel, body)
    channel.name = body.name or channel.name
    channel.bot = body.bot or channel.bot
    if body.status is not None:
        channel.status, channel.status_reason = body.status, None


def _apply_account(runtime: Runtime, channel: Channel, body: ChannelPatch) -> None:
    adapter = _adapter(runtime, channel.type)
    settings = channel.settings if body.settings is None else body.settings
    credentials = body.credentials
    if credentials is None:
        credentials = runtime.accounts.open_credentials(channel.creator_id, channel.credentials)
    _check_settings(runtime, settings)
    _check_names(adapter, credentials)
    adapter.check_account(
        Account(
            creator_id=channel.creator_id,
            channel_id=channel.id,
            type=channel.type,
            route_key=channel.route_key,
            credentials=credentials,
            settings=settings,
        )
    )
    channel.settings = settings
    if body.credentials is not None:
        sealed = runtime.accounts.seal_credentials(channel.creator_id, body.credentials)
        channel.credentials = sealed


def _adapter(runtime: Runtime, type_: str) -> ChannelAdapter:
    adapter = runtime.channels.get(type_)
    if adapter is None:
        known = ", ".join(sorted(runtime.channels))
        raise InvalidInput(f"there is no such channel type; there are: {known}", code="bad_type")
    return adapter


def _check_bot(runtime: Runtime, bot: str) -> None:
    if bot not in runtime.bots:
        known = ", ".join(sorted(runtime.bots))
        raise InvalidInput(f"there is no such bot; there are: {known}", code="bad_bot")


def _check_names(adapter: ChannelAdapter, credentials: dict[str, str]) -> None:
    check_names(adapter, credentials)
    if MASK in credentials.values():
        raise InvalidInput("this is the mask of a credential, not its value", code="masked_value")


def _check_settings(runtime: Runtime, settings: dict[str, Any]) -> None:
    try:
        size = len(orjson.dumps(settings))
    except orjson.JSONEncodeError as error:
        message = "the settings hold a number of more than 64 bits"
        raise InvalidInput(message, code="bad_settings") from error
    if size > MAX_SETTINGS_BYTES:
        raise InvalidInput("the settings are too long", code="bad_settings")
    check_streaming(settings)
    check_rates(settings)
    if settings.get("api_base_url") is not None:
        check_api_base_url(
            settings["api_base_url"], public_base_url=runtime.settings.public_base_url
        )


class _Connectable(ChannelAdapter, Connects):
    """An adapter that can connect and disconnect."""


def _connectable(runtime: Runtime, account: Account) -> _Connectable:
    adapter = _adapter(runtime, account.type)
    if not isinstance(adapter, Connects):
        raise InvalidInput("this channel needs no connecting", code="not_connectable")
    return adapter  # type: ignore[return-value]


async def _keep(
    runtime: Runtime, creator_id: UUID, channel_id: UUID, told: Mapping[str, str]
) -> None:
    """Add what the platform told of the bot to the settings."""
    if not told:
        return
    async with runtime.database.get_session(creator_id) as session:
        channels = Channels(session)
        channel = await channels.get(channel_id, for_update=True)
        channel.settings = {**channel.settings, **told}
        await channels.touch(channel)
    runtime.accounts.forget(channel_id)


async def _call(adapter: ChannelAdapter, call: Any) -> Any:
    """Await a platform, no longer than it may take; its errors become ours."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await call
    except AppError:
        raise
    except Exception as error:
        raise adapter.classify(error) from error


async def _note(runtime: Runtime, principal: PrincipalDep, action: str, channel_id: UUID) -> None:
    async with runtime.database.get_session(principal.creator_id) as session:
        _audit(session, principal, action, channel_id)


def _audit(db: TenantDb, principal: PrincipalDep, action: str, target: UUID, **detail: Any) -> None:
    audit.record(
        db, principal.creator_id, actor=principal.actor, action=action, target=target, **detail
    )


async def _show(runtime: Runtime, db: TenantDb, channel: Channel) -> ChannelShown:
    installed = await ChannelInstallations(db).of([channel.id])
    return show(runtime, channel, installed[channel.id])
