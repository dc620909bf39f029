"""`cairn migrate`: bring a database to the newest schema."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

import asyncpg
import typer
from pydantic import SecretStr

from migrations import runner
from shared.database import CONNECTION_LOST, driver_url
from shared.errors import ConfigurationError, Unavailable
from shared.settings import load_settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def migrate(
    bootstrap: Annotated[
        bool,
        typer.Option(
            help="First create the roles and the database; CAIRN_DATABASE__MIGRATE_URL is then"
            " an administrator's. Set the roles' passwords yourself afterwards."
        ),
    ] = False,
    drop_empty: Annotated[
        bool,
        typer.Option(help="Drop partitions of past months whose messages were all deleted."),
    ] = False,
) -> None:
    """Migrate the database named by CAIRN_DATABASE__MIGRATE_URL (as cairn_migrate)."""
    url = load_settings().database.migrate_url
    if url is None:
        raise ConfigurationError("CAIRN_DATABASE__MIGRATE_URL is not set")
    version = asyncio.run(_migrate(url, bootstrap))
    typer.echo(f"The schema is at {version}.")
    if drop_empty:
        month = datetime.now(UTC).date().replace(day=1)
        dropped = asyncio.run(runner.drop_empty_months(driver_url(url.get_secret_value()), month))
        typer.echo(f"Dropped: {', '.join(dropped) or 'nothing'}.")


async def _migrate(secret: SecretStr, bootstrap: bool) -> str:
    url = driver_url(secret.get_secret_value())
    try:
        if bootstrap:
            database = urlsplit(url).path.lstrip("/") or "cairn"
            maintenance = urlsplit(url)._replace(path="/postgres").geturl()
            await runner.bootstrap(maintenance, database)
            await runner.prepare(url, database)
        await runner.migrate(url)
        return await runner.current(url) or "nothing"
    except asyncpg.InvalidPasswordError as error:
        raise Unavailable("the database refuses the password of that role") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            "this role may not migrate; use cairn_migrate, or `cairn migrate --bootstrap`"
            " once as an administrator"
        ) from error
    except CONNECTION_LOST as error:
        raise Unavailable("no database answers at CAIRN_DATABASE__MIGRATE_URL") from error
