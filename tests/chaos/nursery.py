"""Forks Cairn processes from one that has imported everything: a start takes 0.2 s, not 3.

Each child runs the `cairn` command in a process of its own, with its own environment. One request
a line on standard input: {"argv": […], "env": {…}, "log": path}; the answer is {"pid": …}, and
{"pid": …, "code": …} follows when it has ended. At the end of input all children are killed.
"""

import json
import os
import select
import signal
import sys
import traceback
from typing import Any, NoReturn

from core.cli import app, serve, worker
from core.loader import load_bots, load_channels

_IMPORTED = (serve, worker)  # the command imports them only when it is asked for
_WAIT_SECONDS = 0.02


def main() -> None:
    load_channels()  # a platform's library is most of the time that a start takes
    load_bots()
    children: set[int] = set()
    requests = open(0, "rb", buffering=0)  # noqa: SIM115 - unbuffered, so that select sees it all
    while True:
        if select.select([requests], [], [], _WAIT_SECONDS)[0]:
            line = requests.readline()
            if not line:
                break
            children.add(_fork(json.loads(line)))
        _report_ended(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(request)
    _answer(pid=pid)
    return pid


def _become(request: dict[str, Any]) -> NoReturn:
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["cairn", *request["argv"]]
    code = 70
    try:
        app.main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _report_ended(children: set[int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)
        _answer(pid=pid, code=os.waitstatus_to_exitcode(status))


def _answer(**fields: int) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
