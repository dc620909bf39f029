"""The REST API under /api/v1, one router for each resource."""

from core.api.resources import (
    api_keys,
    channels,
    consents,
    contacts,
    conversations,
    embedding_migrations,
    knowledge,
    knowledge_events,
    messages,
    models,
    policy,
    prompts,
    segments,
    tickets,
    usage,
)

ROUTERS = (
    channels.router,
    knowledge.router,
    knowledge_events.router,
    embedding_migrations.router,
    conversations.router,
    consents.router,
    contacts.router,
    messages.router,
    models.router,
    policy.router,
    prompts.router,
    segments.router,
    tickets.router,
    usage.router,
    api_keys.router,
)
