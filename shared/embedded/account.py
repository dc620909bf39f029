"""The operating-system account that runs PostgreSQL, which refuses to run as root."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from shared.embedded.errors import EngineError

SYSTEM_ACCOUNT = "cairn-postgres"
# Where root keeps what this account must reach when the data folder or the virtual environment
# lies below a private folder such as /root: opening somebody's home to all would be worse.
SYSTEM_FOLDER = Path("/var/lib/cairn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    name: str
    uid: int
    gid: int

    def runs(self, *command: str | Path) -> bool:
        """Whether this account can run the command successfully."""
        try:
            result = subprocess.run(  # noqa: S603 - our own commands, without a shell
                [str(part) for part in command],
                user=self.uid,
                group=self.gid,
                extra_groups=[],
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return result.returncode == 0

    def reaches(self, folder: Path) -> bool:
        """Whether this account can walk down to the folder."""
        return self.runs("/bin/sh", "-c", 'cd "$1"', "sh", folder)


def database_account(cluster: Path) -> Account | None:
    """Who runs PostgreSQL: None (we do) for an ordinary user; as root, the owner of the data."""
    if os.geteuid() != 0:
        return None
    owner = cluster.stat().st_uid if cluster.exists() else 0
    if owner == 0:
        return _system_account()
    try:
        return _account(pwd.getpwuid(owner))
    except KeyError:
        raise EngineError(
            f"{cluster} belongs to user id {owner}, which does not exist here",
            f"give it to an existing user: chown -R USER {cluster}",
        ) from None


def system_folder() -> Path:
    SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
    SYSTEM_FOLDER.chmod(0o755)
    return SYSTEM_FOLDER


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _system_account() -> Account:
    try:
        return _account(pwd.getpwnam(SYSTEM_ACCOUNT))
    except KeyError:
        pass
    try:
        _add_system_account()
        return _account(pwd.getpwnam(SYSTEM_ACCOUNT))
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        raise EngineError(
            f"PostgreSQL does not run as root, and the user {SYSTEM_ACCOUNT} cannot be created",
            "start Cairn as an ordinary user, or create that system user yourself",
        ) from error


def _add_system_account() -> None:
    useradd = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
    if useradd is None:
        raise FileNotFoundError("useradd")
    subprocess.run(  # noqa: S603 - a fixed command, without a shell
        [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_ACCOUNT],
        check=True,
        capture_output=True,
        timeout=30,
    )
