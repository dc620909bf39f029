"""How a channel is shown over REST: its addresses, never its secrets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core.channels import Installs
from core.runtime import Runtime
from shared.errors import SecretError
from shared.models.channels import Channel
from shared.models.installations import ChannelInstallation

MASK = "••••••"
# What an adapter needs to be installed by a browser; RFC 6749 §2.2.
_CLIENT_ID = "client_id"


class InstallationShown(BaseModel):
    """A workspace in which the channel's app is installed."""

    model_config = ConfigDict(from_attributes=True)

    space: str = Field(description="the platform's id of it")
    name: str
    updated_at: datetime = Field(description="when it was last installed")


class ChannelShown(BaseModel):
    """A channel; `credentials` names what is stored, masked."""

    id: UUID
    type: str
    name: str
    bot: str
    status: str
    status_reason: str | None
    route_key: str
    webhook_url: str | None = Field(description="what the platform is given; null for web")
    page_url: str | None = Field(description="the chat page of a web channel")
    widget: str | None = Field(description="the script tag that embeds a web channel")
    install_url: str | None = Field(
        description="where a person installs the app in a workspace of theirs; null for channels"
        " that aren't installed, or have no `client_id`"
    )
    installations: list[InstallationShown] = Field(description="where it is installed")
    credentials: dict[str, str]
    settings: dict[str, Any]
    created_at: datetime
    updated_at: datetime


def show(
    runtime: Runtime, channel: Channel, installations: Sequence[ChannelInstallation] = ()
) -> ChannelShown:
    base, key = runtime.settings.public_base_url, channel.route_key
    adapter = runtime.channels.get(channel.type)
    is_web = adapter is not None and adapter.capabilities.delivery == "pull"
    credentials = _masked(runtime, channel)
    installs = isinstance(adapter, Installs) and _CLIENT_ID in credentials
    tag = f'<script src="{base}/widget.js" data-channel="{key}" async></script>'
    return ChannelShown(
        id=channel.id,
        type=channel.type,
        name=channel.name,
        bot=channel.bot,
        status=channel.status,
        status_reason=channel.status_reason,
        route_key=key,
        webhook_url=None if is_web else webhook_url(runtime, channel.type, key),
        page_url=f"{base}/?channel={key}" if is_web else None,
        widget=tag if is_web else None,
        install_url=f"{base}/{channel.type}/install/{key}" if installs else None,
        installations=[InstallationShown.model_validate(row) for row in installations],
        credentials=credentials,
        settings=channel.settings,
        created_at=channel.created_at,
        updated_at=channel.updated_at,
    )


def webhook_url(runtime: Runtime, type_: str, route_key: str) -> str:
    return f"{runtime.settings.public_base_url}/webhooks/{type_}/{route_key}"


def _masked(runtime: Runtime, channel: Channel) -> dict[str, str]:
    try:
        names = runtime.accounts.open_credentials(channel.creator_id, channel.credentials)
    except SecretError:
        return {}  # its key is gone: the channel can be seen and given new credentials
    return dict.fromkeys(sorted(names), MASK)
