"""The `cairn` command: its sub-commands, errors as one plain line and a code."""

import importlib
import sys

import typer

from shared.errors import AppError, ConfigurationError, Unavailable

EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it

# What `cairn --help` shows. Each name is a module beside this one with a typer `app`.
COMMANDS = {
    "dev": "Run all of Cairn on this machine, with engines of its own.",
    "serve": "Run one gateway against engines by address.",
    "worker": "Run one worker against engines by address.",
    "migrate": "Bring the database to the newest schema.",
    "doctor": "Say what is wrong and how to mend it.",
    "chat": "Talk to a bot in the terminal.",
    "ingest": "Read files or folders into a creator's knowledge.",
    "contacts": "Contacts: import from a CSV file, list.",
    "kb": "Knowledge: add files and pages, list, show, delete, rebuild the index.",
    "eval": "Measure what is found and answered; calibrate when to refuse.",
    "embeddings": "Change the embedding model while people ask.",
    "dead": "Messages that could not be answered: list, show, retry, drop.",
    "tickets": "Conversations that need a person: list, take, reply, return, close.",
    "models": "Models: list, register, promote, rollback, check.",
    "programs": "Programs: write, preview, publish; who is in them, what is planned.",
    "broadcasts": "One message to many: write, try out, start, pause, resume, cancel, watch.",
    "prompts": "Prompt templates: list, show, save, diff, promote, rollback, preview.",
    "privacy": "Hand out what is held of a contact, or erase it.",
    "usage": "Messages, tokens, sends and storage of this month, by creator.",
    "creators": "Add, list, suspend and wake creators.",
    "channels": "Connect and list channels, rotate the keys.",
}


USAGE = """Usage: cairn COMMAND [OPTIONS]

Cairn: a chat bot for coaching that answers from what you know and loses nothing.

{commands}

`cairn COMMAND --help` tells more."""


def main() -> None:
    """Entry point. Errors of ours end in one line on standard error, never in a traceback."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name not in COMMANDS:
        sys.exit(_help(name))
    try:
        # Imported when it is asked for: `cairn migrate` needs no chat platform.
        command = importlib.import_module(f"core.cli.{name}").app
        command(args=arguments, prog_name=f"cairn {name}")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except AppError as error:
        typer.echo(_line(error), err=True)
        sys.exit(_exit_code(error))


def _help(name: str) -> int:
    if name not in ("--help", "-h", "help"):
        typer.echo(f"cairn: there is no command {name!r}; `cairn --help` lists them", err=True)
        return EXIT_USAGE
    typer.echo(USAGE.format(commands="\n".join(f"  {n:<12}{t}" for n, t in COMMANDS.items())))
    return 0


def _line(error: AppError) -> str:
    hint = getattr(error, "hint", "")
    return f"cairn: {error.message}" + (f" ({hint})" if hint else "")


def _exit_code(error: AppError) -> int:
    if isinstance(error, ConfigurationError):
        return error.exit_code
    code: int = getattr(error, "exit_code", EXIT_UNAVAILABLE)
    return code if isinstance(error, Unavailable) or hasattr(error, "exit_code") else 1
