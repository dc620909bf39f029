"""The data folder: one holder at a time, the memory of what runs, short paths for sockets."""

import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from shared.embedded.account import Account
from shared.embedded.children import created_at
from shared.embedded.errors import EngineError

# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
SOCKET_PATH_LIMIT = 103
LONGEST_SOCKET_NAME = ".s.PGSQL.5432"
# Engines read paths from lists and configuration text: what would need quoting goes elsewhere.
PLAIN_PATH = re.compile(r"[\w./-]+", re.ASCII)
# Two readings of one creation time differ by the rounding of the boot time.
CLOCK_TOLERANCE_SECONDS = 2.0


class DataFolder:
    """A folder with `lock`, `engines.json`, `logs/`, `run/` and one folder per engine."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.logs = self.path / "logs"
        self._state_file = self.path / "engines.json"
        self._lock: BinaryIO | None = None

    def open(self) -> None:
        """Create the folder where missing and take it for this process."""
        # As root another account must walk through it to its own folder below.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.path.mkdir(mode=mode, parents=True, exist_ok=True)
            self.path = self.path.resolve()
            self._state_file = self.path / "engines.json"
            self.logs = self.path / "logs"
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self._take_lock()
        except OSError as error:
            raise self.unusable(error) from error

    def unusable(self, error: OSError) -> EngineError:
        where = f" ({error.filename})" if error.filename else ""
        return EngineError(
            f"the data folder {self.path} cannot be used: {error.strerror}{where}",
            "choose a folder you may write to with --data-dir",
        )

    def _take_lock(self) -> None:
        lock = (self.path / "lock").open("a+b")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().decode().strip() or "unknown"
            lock.close()
            raise EngineError(
                f"{self.path} is in use by process {holder}",
                "stop that process, or choose another folder with --data-dir",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
        lock.flush()
        self._lock = lock

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def read_state(self) -> dict[str, Any]:
        try:
            state = json.loads(self._state_file.read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def remember(self, **changes: Any) -> None:
        """Merge the changes into `engines.json`; a value of None forgets its name."""
        merged = {**self.read_state(), **changes}
        state = {name: value for name, value in merged.items() if value is not None}
        fresh = self._state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=2))
        fresh.chmod(0o600)
        fresh.replace(self._state_file)

    def remember_child(self, name: str, pid: int | None) -> None:
        children = dict(self.read_state().get("children", {}))
        children.pop(name, None)
        if pid is not None:
            children[name] = {"pid": pid, "created_at": created_at(pid)}
        self.remember(children=children)

    def left_over_pids(self) -> dict[str, int]:
        """Engines of an earlier parent that still run; a recycled process id is not one."""
        found = {}
        for name, entry in self.read_state().get("children", {}).items():
            was, now = entry.get("created_at"), created_at(entry["pid"])
            if was and now and abs(was - now) < CLOCK_TOLERANCE_SECONDS:
                found[name] = int(entry["pid"])
        return found

    def open_socket_dir(self, account: Account | None) -> Path:
        """A private folder (0700) with a path short enough for sockets, owned by `account`."""
        remembered = self.read_state().get("socket_dir")
        folder = Path(remembered) if remembered else None
        if folder is None or not _is_private(folder, account):
            folder = self._make_socket_dir(account)
            self.remember(socket_dir=str(folder))
        return folder

    def _make_socket_dir(self, account: Account | None) -> Path:
        own = self.path / "run"
        if _fits(own) and (account is None or account.reaches(self.path)):
            own.mkdir(mode=0o700, exist_ok=True)
            folder = own
        else:
            folder = Path(tempfile.mkdtemp(prefix="cairn-", dir=_temporary_base(account)))
        folder.chmod(0o700)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        return folder

    def drop_socket_dir(self) -> None:
        folder = self.read_state().get("socket_dir")
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        self.remember(socket_dir=None)


def _fits(folder: Path) -> bool:
    longest = str(folder / LONGEST_SOCKET_NAME)
    return len(longest.encode()) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(longest) is not None


def _temporary_base(account: Account | None) -> Path:
    bases = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - mkdtemp
    for base in bases:
        reachable = base.is_dir() and (account is None or account.reaches(base))
        if reachable and _fits(base / "cairn-12345678"):
            return base
    raise EngineError("no folder with a short path for sockets", "set TMPDIR to a short path")


def _is_private(folder: Path, account: Account | None) -> bool:
    owner = account.uid if account else os.geteuid()
    try:
        status = folder.lstat()
    except OSError:
        return False
    is_own_folder = stat.S_ISDIR(status.st_mode) and status.st_uid == owner
    return is_own_folder and stat.S_IMODE(status.st_mode) == 0o700
