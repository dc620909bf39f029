"""`python -m core.llm.emulator --port 11434`: the emulated host in a process of its own."""

import argparse

import uvicorn

from core.llm.emulator import create_ollama_emulator


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m core.llm.emulator", description=__doc__)
    options.add_argument("--port", type=int, default=11434)
    options.add_argument("--parallel", type=int, default=1, help="OLLAMA_NUM_PARALLEL")
    options.add_argument("--load-seconds", type=float, default=0.0)
    options.add_argument("--token-seconds", type=float, default=0.02)
    options.add_argument(
        "--vectors",
        action="append",
        default=[],
        metavar="MODEL=FILE",
        help="an embedding model whose vectors are in a file (.npz or .json)",
    )
    given = options.parse_args()
    emulator = create_ollama_emulator(
        num_parallel=given.parallel,
        load_seconds=given.load_seconds,
        token_seconds=given.token_seconds,
    )
    for pair in given.vectors:
        name, _, path = pair.partition("=")
        emulator.serve_vectors(name, path)
    uvicorn.run(emulator.app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
