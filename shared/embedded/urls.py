"""The addresses of the embedded engines."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUrls:
    """Where the engines listen. `postgres_admin` is the superuser's, for migrations alone."""

    postgres_admin: str
    postgres_socket_dir: str
    postgres_port: int
    database: str
    redis: str
    chroma: str

    def postgres_url(self, user: str, password: str = "", database: str | None = None) -> str:
        """A `postgresql://` URL that asyncpg reads, for the given role."""
        return postgres_url(
            user,
            password,
            database or self.database,
            socket_dir=self.postgres_socket_dir,
            port=self.postgres_port,
        )


def postgres_url(user: str, password: str, database: str, *, socket_dir: str, port: int) -> str:
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    place = urlencode({"host": socket_dir, "port": port})
    return f"postgresql://{login}@/{quote(database, safe='')}?{place}"
