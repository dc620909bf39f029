"""Become an engine: drop to its account, ask to be told when the parent dies, exec.

Run as a script: `python -I -S launch.py PARENT SIGNAL UID GID COMMAND...`. A script rather than a
`preexec_fn`, because code between fork and exec can deadlock in a parent that has threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
NO_CHANGE = -1


def become(uid: int, gid: int) -> None:
    if uid == NO_CHANGE:
        return
    os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def follow_parent(parent: int, signal: int) -> None:
    if sys.platform != "linux":
        return  # elsewhere the next start stops what a killed parent left behind
    # After setuid: a change of user clears the setting.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def main() -> None:
    parent, signal, uid, gid = (int(argument) for argument in sys.argv[1:5])
    command = sys.argv[5:]
    os.umask(0o077)
    become(uid, gid)
    follow_parent(parent, signal)
    os.execv(command[0], command)  # noqa: S606 - the command is ours, without a shell


if __name__ == "__main__":
    main()
