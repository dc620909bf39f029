"""The REST API under /api/v1, one router for each resource."""

from core.api.resources import (
    api_keys,
    channels,
    contacts,
    conversations,
    embedding_migrations,
    knowledge,
    knowledge_events,
    messages,
    models,
    prompts,
    tickets,
    usage,
)

ROUTERS = (
    channels.router,
    knowledge.router,
    knowledge_events.router,
    embedding_migrations.router,
    conversations.router,
    contacts.router,
    messages.router,
    models.router,
    prompts.router,
    tickets.router,
    usage.router,
    api_keys.router,
)
