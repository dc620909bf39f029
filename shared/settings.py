"""Settings from the environment: prefix `CAIRN_`, groups nested with `__`.

Only entry points read them; everything else is handed what it needs.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from functools import cache

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import ConfigurationError

PREFIX = "CAIRN_"
# Read elsewhere, before settings exist.
OTHER_NAMES = frozenset({"CAIRN_FAILPOINT", "CAIRN_CHROMIUM", "CAIRN_BOT_TOKEN", "CAIRN_API_KEY"})


class DatabaseSettings(BaseModel):
    url: SecretStr | None = Field(
        None, description="as cairn_app: postgresql://cairn_app:…@host/db"
    )
    dispatch_url: SecretStr | None = Field(
        None, description="as cairn_dispatch: the queue and the due index, no content"
    )
    migrate_url: SecretStr | None = Field(
        None, description="as cairn_migrate; only for `cairn migrate`, never for the server"
    )
    pool_size: int = Field(10, ge=1, le=100, description="connections per process")
    pool_wait_seconds: float = Field(2.0, gt=0)
    statement_timeout_seconds: float = Field(15.0, gt=0)


class RedisSettings(BaseModel):
    url: SecretStr | None = Field(None, description="redis://… or unix://…")
    timeout_seconds: float = Field(0.2, gt=0)


class ChromaSettings(BaseModel):
    url: str | None = Field(None, description="http://host:port of a Chroma server")
    timeout_seconds: float = Field(2.0, gt=0)
    buckets: int = Field(64, ge=1, le=1024, description="collections per embedding space")


class OllamaSettings(BaseModel):
    host: str = Field(
        "http://127.0.0.1:11434", description="where Ollama answers; several, comma separated"
    )
    chat_model: str = Field("llama3.2:3b")
    embedding_model: str = Field("nomic-embed-text")
    num_ctx: int = Field(8192, ge=1024, description="pinned: changing it reloads the model")
    connect_seconds: float = Field(2.0, gt=0)
    first_token_seconds: float = Field(30.0, gt=0)
    between_tokens_seconds: float = Field(15.0, gt=0)
    total_seconds: float = Field(120.0, gt=0)
    parallel: int = Field(1, ge=1, description="OLLAMA_NUM_PARALLEL of each host")
    queue: int = Field(16, ge=0, le=10_000, description="requests that may wait for each host")

    @property
    def hosts(self) -> list[str]:
        """The addresses, each once, in their order."""
        parts = (part.strip() for part in self.host.split(","))
        return list(dict.fromkeys(part for part in parts if part))

    @field_validator("host")
    @classmethod
    def _at_least_one(cls, value: str) -> str:
        if not any(part.strip() for part in value.split(",")):
            raise ValueError("needs at least one address")
        return value


class WorkerSettings(BaseModel):
    concurrency: int = Field(20, ge=2, le=200, description="jobs at once per worker")
    lease_seconds: float = Field(10.0, gt=0, description="how long a crashed turn blocks its talk")
    sweep_seconds: float = Field(1.0, gt=0, description="how often the sweeper looks")
    tick_seconds: float = Field(0.5, gt=0, description="how often it looks for sends that are due")
    forgotten_seconds: float = Field(
        20.0, gt=0, description="a hinted conversation is hinted again"
    )
    turn_seconds: float = Field(60.0, gt=0, description="budget of one turn, model included")
    drain_seconds: float = Field(25.0, gt=0, description="grace for turns in flight on SIGTERM")
    retry_seconds: float = Field(2.0, gt=0, description="first back-off after a handled failure")
    send_seconds: float = Field(10.0, gt=0, description="deadline of one call to a platform")
    grace_seconds: float = Field(
        5.0, ge=0, description="a send not found on the platform so long after it is proved unsent"
    )
    reconcile_seconds: float = Field(
        600.0, gt=0, description="how long a platform is asked what became of a send"
    )
    health_port: int | None = Field(None, description="`cairn worker` serves /metrics here")


class LimitSettings(BaseModel):
    """Per-tenant and per-visitor limits; 0 turns one off."""

    webhook_per_second: float = Field(50.0, ge=0, description="accepted events per channel")
    chat_per_second: float = Field(5.0, ge=0, description="web chat messages per visitor")
    chat_burst: int = Field(10, ge=1)
    sessions_per_minute: float = Field(30.0, ge=0, description="new web sessions per address")
    api_per_second: float = Field(50.0, ge=0, description="REST calls per creator")
    streams: int = Field(1000, ge=1, description="open event streams per gateway")
    attachment_bytes: int = Field(
        20_000_000, ge=1, description="the largest file fetched from what a person sent"
    )
    knowledge_documents: int = Field(10_000, ge=0, description="documents per creator")
    knowledge_bytes: int = Field(1_000_000_000, ge=0, description="bytes of them per creator")


class TelemetrySettings(BaseModel):
    log_level: str = Field("INFO")
    log_json: bool = Field(True, description="false: coloured lines for a terminal")
    otlp_endpoint: str | None = Field(None, description="spans are exported here; off when unset")


class Settings(BaseSettings):
    """Everything an entry point needs. A typo in a `CAIRN_` name is an error."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore", hide_input_in_errors=True
    )

    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    chroma: ChromaSettings = ChromaSettings()
    ollama: OllamaSettings = OllamaSettings()
    worker: WorkerSettings = WorkerSettings()
    limits: LimitSettings = LimitSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    public_base_url: str = Field("http://127.0.0.1:8000", description="how the world reaches us")
    default_channel: str | None = Field(
        None, description="route key of the web channel whose chat is the page at /"
    )
    secret_keys: SecretStr | None = Field(
        None, description="id:base64 of 32 bytes, comma separated; the first one encrypts"
    )
    extra_paths: str = Field(
        "", description="more folders with adapters/ and bots/, comma separated"
    )

    @field_validator("public_base_url")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")


def _known_names(model: type[BaseModel], prefix: str = PREFIX) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name.upper()}"
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _known_names(annotation, f"{key}__")
        else:
            yield key


@cache
def known_names() -> frozenset[str]:
    """Every environment variable that means something to Cairn."""
    return frozenset(_known_names(Settings)) | OTHER_NAMES


def _refuse_typos(environment: Mapping[str, str]) -> None:
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known_names():
            near = difflib.get_close_matches(name, known_names(), n=1, cutoff=0.0)
            raise ConfigurationError(f"unknown setting {name}; did you mean {near[0]}?")


def load_settings() -> Settings:
    """Read the environment. Raises ConfigurationError with one plain line, values never shown."""
    _refuse_typos(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "__".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(f"{name}: {first['msg']}") from None
