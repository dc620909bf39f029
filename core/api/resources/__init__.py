"""The REST API under /api/v1, one router for each resource."""

from core.api.resources import (
    api_keys,
    channels,
    contacts,
    conversations,
    knowledge,
    messages,
    usage,
)

ROUTERS = (
    channels.router,
    knowledge.router,
    conversations.router,
    contacts.router,
    messages.router,
    usage.router,
    api_keys.router,
)
