"""Stop the engines that a killed parent left behind, before new ones start on the same data."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from shared.embedded.children import POLL_SECONDS, StopStep, created_at
from shared.embedded.folder import DataFolder


async def stop_left_overs(
    folder: DataFolder, cluster: Path, steps_by_name: Mapping[str, Sequence[StopStep]]
) -> list[str]:
    """The names of the engines that still ran. Call it with the folder's lock held."""
    found = {name: [pid] for name, pid in folder.left_over_pids().items()}
    servers = _servers_of(cluster)
    if servers:
        found["postgres"] = servers
    stops = (stop_processes(pids, steps_by_name[name]) for name, pids in found.items())
    await asyncio.gather(*stops)
    # Nobody runs on this cluster now; a stale file whose process id was given to a stranger
    # would keep PostgreSQL from starting.
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    folder.remember(children=None, parent=None, urls=None)
    return sorted(found)


async def stop_processes(pids: Sequence[int], steps: Iterable[StopStep]) -> None:
    """Signal the first process step by step, wait for all, kill what remains."""
    processes = {pid: process for pid in pids if (process := _process(pid)) is not None}
    for step in steps:
        for process in list(processes.values())[:1]:
            _send(process, step.signal)
        if await _all_gone(processes.values(), step.seconds):
            return
    for process in processes.values():
        _send(process, 9)
    await _all_gone(processes.values(), 5.0)


def _servers_of(cluster: Path) -> list[int]:
    """Every `postgres` process that works in this cluster, its first process in front."""
    if not (cluster / "postmaster.pid").exists():
        return []
    found = [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(cluster)
    ]
    pids = {process.pid for process in found}
    return sorted(pids, key=lambda pid: _parent(pid) in pids)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _parent(pid: int) -> int | None:
    process = _process(pid)
    try:
        return process.ppid() if process else None
    except psutil.Error:
        return None


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)  # checks the creation time first
    except psutil.NoSuchProcess:
        return


async def _all_gone(processes: Iterable[psutil.Process], seconds: float) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    waiting = list(processes)
    while waiting and asyncio.get_running_loop().time() < deadline:
        waiting = [p for p in waiting if p.is_running() and created_at(p.pid) is not None]
        await asyncio.sleep(POLL_SECONDS if waiting else 0)
    return not waiting
