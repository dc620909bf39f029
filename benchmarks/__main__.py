"""Measure Cairn: `python -m benchmarks [names] [--quick] [--data DIR]`.

Each benchmark starts from its own engines in a temporary folder and measures its bound in the same
run, because figures of two machines, or of two moments of one, say nothing about each other.
"""

import argparse
import asyncio
import importlib
import time
from pathlib import Path

from benchmarks import report, stage

NAMES = (
    "accept",
    "turns",
    "channels",
    "scaling",
    "rls",
    "ingest",
    "retrieval",
    "crowded_retrieval",
    "broadcasts",
    "scheduling",
    "punctuality",
    "year",
)


async def measure(names: list[str], *, quick: bool, data: Path | None) -> None:
    for name in names:
        began = time.perf_counter()
        module = importlib.import_module(f"benchmarks.{name if name != 'retrieval' else 'finding'}")
        if name == "retrieval":
            figures = await module.run(data, quick=quick)
        else:
            async with stage.opened(quick=quick) as opened:
                figures = await module.run(opened)
        report.show(f"{name} ({time.perf_counter() - began:.0f} s)", figures)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a smoke run: rough figures, fast")
    parser.add_argument("--data", type=Path, help="a golden set for retrieval; else synthetic")
    arguments = parser.parse_args()
    names = arguments.names or list(NAMES)
    if unknown := set(names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    asyncio.run(measure(names, quick=arguments.quick, data=arguments.data))


if __name__ == "__main__":
    main()
