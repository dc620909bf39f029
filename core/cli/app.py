"""The `cairn` command: its sub-commands, and errors as one plain line and a code."""

import sys

import typer

from core.cli import channels, chat, creators, dead, dev, doctor, ingest, migrate, serve
from shared.embedded import EngineError
from shared.errors import AppError, ConfigurationError, Unavailable

EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it

app = typer.Typer(
    name="cairn",
    help="Cairn: a chat bot for coaching that answers from what you know and loses nothing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("dev")(dev.dev)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("migrate")(migrate.migrate)
app.command("doctor")(doctor.doctor)
app.command("chat")(chat.chat)
app.command("ingest")(ingest.ingest)
app.add_typer(dead.app, name="dead")
app.add_typer(creators.app, name="creators")
app.add_typer(channels.app, name="channels")


def main() -> None:
    """Entry point. Errors of ours end in one line on standard error, never in a traceback."""
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except AppError as error:
        typer.echo(_line(error), err=True)
        sys.exit(_exit_code(error))


def _line(error: AppError) -> str:
    hint = getattr(error, "hint", "")
    return f"cairn: {error.message}" + (f" ({hint})" if hint else "")


def _exit_code(error: AppError) -> int:
    if isinstance(error, ConfigurationError):
        return error.exit_code
    return EXIT_UNAVAILABLE if isinstance(error, EngineError | Unavailable) else 1
