"""Where Twilio posts what people write: set on the number, the short code or the service."""

from typing import Any

from twilio.rest import Client

from core.channels import Account
from shared.errors import ChannelError


async def connect(client: Client, account: Account, webhook_url: str) -> None:
    service = account.credentials.get("messaging_service_sid")
    if service:
        await client.messaging.v1.services(service).update_async(
            inbound_request_url=webhook_url,
            inbound_method="POST",
            use_inbound_webhook_on_number=False,
        )
        return
    number = await _number(client, account)
    await number.update_async(sms_url=webhook_url, sms_method="POST")


async def disconnect(client: Client, account: Account) -> None:
    service = account.credentials.get("messaging_service_sid")
    if service:
        context = client.messaging.v1.services(service)
        if _is_ours((await context.fetch_async()).inbound_request_url, account):
            await context.update_async(inbound_request_url="")
        return
    number = await _number(client, account)
    if _is_ours(number.sms_url, account):
        await number.update_async(sms_url="")


def _is_ours(url: str | None, account: Account) -> bool:
    return f"/webhooks/{account.type}/{account.route_key}" in (url or "")


async def _number(client: Client, account: Account) -> Any:
    wanted = account.credentials["from_number"]
    if wanted.startswith("+"):
        found = await client.incoming_phone_numbers.list_async(phone_number=wanted, limit=1)
    else:
        found = await client.short_codes.list_async(short_code=wanted, limit=1)
    if not found:
        raise ChannelError(
            "This Twilio account has no such number.", code="number_not_found", scope="channel"
        )
    return found[0]
