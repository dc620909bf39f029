"""What Cairn tells about itself: redacted structured logs, Prometheus metrics, optional spans.

Metrics are labelled by creator, never by contact. Logs name an action and carry ids, never text.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog
from opentelemetry import trace
from prometheus_client import Counter, Gauge, Histogram
from structlog.typing import Processor

from shared.security import redact
from shared.settings import TelemetrySettings

# --- metrics ------------------------------------------------------------------------------------

ACCEPTED = Counter("cairn_accepted", "Turns taken in, by outcome.", ["creator", "outcome"])
EVENTS = Counter("cairn_events", "Other events applied, by kind.", ["creator", "kind"])
DROPPED = Counter("cairn_dropped", "Verified events not taken in.", ["creator", "reason"])
TURNS = Counter("cairn_turns", "Turns ended, by status and rung.", ["creator", "status", "rung"])
SENDS = Counter("cairn_sends", "Sends settled, by outcome.", ["creator", "outcome"])
TICKETS_OVERDUE = Counter("cairn_tickets_overdue", "Tickets nobody took in time.", ["creator"])
STREAMS = Gauge("cairn_streams", "Open web chat streams of this gateway.")
QUOTAS = Counter(
    "cairn_quotas_reached", "Limits of a month that were reached.", ["creator", "quota", "level"]
)
MODEL_DRIFT = Gauge(
    "cairn_model_digest_changed",
    "1 while a model on a host is another than the one first seen under its name.",
    ["model", "host"],
)
REQUESTS = Histogram(
    "cairn_request_seconds",
    "Time to the first byte of a response.",
    ["route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def configure(
    settings: TelemetrySettings, *, file: Path | None = None, service: str = "cairn"
) -> None:
    """Set up logs (to `file`, or standard error) and spans for this process; once, first of all."""
    configure_logging(settings, file)
    configure_spans(settings, service=service)


# --- logs ---------------------------------------------------------------------------------------

# Their request lines hold URLs, and the Telegram token stands in the URL.
_TELLTALES = ("httpx", "httpcore", "aiogram", "aiohttp", "uvicorn.access", "slack_sdk", "twilio")
LOG_BYTES = 10_000_000
# Names of fields that never reach a log, whoever passes them.
_SECRET_FIELDS = frozenset(
    ("api_key", "authorization", "body", "credentials", "key", "password")
) | frozenset(("raw", "secret", "text", "token", "url"))


def configure_logging(settings: TelemetrySettings, file: Path | None = None) -> None:
    """Send every log of this process, the libraries' too, through one redacting pipeline."""
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *first,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=first, processors=_rendering(settings)
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _TELLTALES:
        logging.getLogger(name).setLevel(logging.WARNING)


def _rendering(settings: TelemetrySettings) -> list[Processor]:
    last: Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if settings.log_json:
        last = structlog.processors.JSONRenderer(ensure_ascii=True)
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # Locals of a frame hold credentials and texts: only the plain traceback is kept.
        structlog.processors.format_exc_info,
        redact_fields,
        last,
    ]


def redact_fields(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop fields with telling names, and clean secrets out of every other value."""
    return {
        name: "[redacted]" if name.lower() in _SECRET_FIELDS else _clean(value)
        for name, value in event.items()
    }


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return redact_fields(None, "", value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return redact(str(value))


# --- spans --------------------------------------------------------------------------------------


@cache
def _tracer() -> trace.Tracer:
    return trace.get_tracer("cairn")


def configure_spans(settings: TelemetrySettings, *, service: str) -> None:
    """Export spans to the configured endpoint; without one, `span` costs next to nothing."""
    if not settings.otlp_endpoint:
        return
    # Loaded on demand: the exporter costs 0.3 s and few installations use it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint, timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@contextmanager
def span(name: str, **ids: object) -> Iterator[None]:
    """Time a stage under `name`. `ids` are identifiers only, never text."""
    attributes = {key: str(value) for key, value in ids.items()}
    with _tracer().start_as_current_span(name, attributes=attributes):
        yield
