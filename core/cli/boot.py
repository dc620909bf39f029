"""What a production process checks before it serves: its settings, its role, the schema."""

from core.runtime import Runtime
from migrations import runner
from shared import telemetry
from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings
from shared.tenancy import audit_catalog, check_schema, refuse_strong_role


def production_settings() -> Settings:
    settings = load_settings()
    for name, value in (
        ("CAIRN_DATABASE__URL", settings.database.url),
        ("CAIRN_DATABASE__DISPATCH_URL", settings.database.dispatch_url),
        ("CAIRN_CHROMA__URL", settings.chroma.url),
        ("CAIRN_SECRET_KEYS", settings.secret_keys),
    ):
        if value is None:
            raise ConfigurationError(f"{name} is not set; `cairn dev` needs no settings")
    if settings.database.migrate_url is not None:
        raise ConfigurationError(
            "CAIRN_DATABASE__MIGRATE_URL must not be in a server's environment;"
            " set it for `cairn migrate` only"
        )
    telemetry.configure(settings.telemetry)
    return settings


async def check_boot(runtime: Runtime) -> None:
    """Refuse to run as a role row level security doesn't bind, or on a schema that was tampered."""
    async with runtime.database.lookup() as connection:
        await refuse_strong_role(connection)
        await check_schema(connection, runner.head())
        problems = await audit_catalog(connection)
    if problems:
        raise ConfigurationError(f"isolation is broken: {problems[0]}; see `cairn doctor`")
    async with runtime.database.dispatch() as connection:
        mend = "connect as cairn_dispatch in CAIRN_DATABASE__DISPATCH_URL"
        await refuse_strong_role(connection, may_join=(), mend=mend)
