"""Vectors computed elsewhere, served by the emulator; the same input embeds the same everywhere."""

import asyncio
import json
import math
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from core.llm.embedded import WordLlama
from core.llm.emulator import OllamaEmulator, Vectors
from core.llm.emulator.vectors import key_of
from core.llm.hosts import OllamaHosts
from core.llm.ollama_embed import OllamaEmbedder
from tests.core.llm.conftest import EMBED, MakeHost

GIVEN = {"sunrise": [3.0, 4.0, 0.0], "invoice": [0.0, 0.0, 2.0]}


def written(folder: Path, suffix: str) -> Path:
    path = folder / f"vectors{suffix}"
    keyed = {key_of(text): vector for text, vector in GIVEN.items()}
    if suffix == ".json":
        path.write_text(json.dumps(keyed), encoding="utf-8")
    else:
        np.savez(path, keys=np.array(list(keyed)), vectors=np.array(list(keyed.values())))
    return path


@pytest.mark.parametrize("suffix", [".json", ".npz"])
async def test_a_model_gives_the_vectors_of_a_file(
    make_host: MakeHost, emulator: OllamaEmulator, base_url: str, tmp_path: Path, suffix: str
) -> None:
    order = {"name": "all-minilm", "path": str(written(tmp_path, suffix))}
    async with httpx.AsyncClient(base_url=base_url) as http:
        assert (await http.post("/control/serve_vectors", json=order)).status_code == 200
    embedder = await OllamaEmbedder.discover(OllamaHosts([make_host()]), "all-minilm")
    assert embedder.space.dimensions == 3
    vectors = await embedder.embed(["sunrise", "invoice"], kind="passage")
    assert vectors == [pytest.approx([0.6, 0.8, 0.0]), [0.0, 0.0, 1.0]]


async def test_a_text_that_is_not_in_the_file_has_a_vector_of_its_own() -> None:
    vectors = Vectors.of_texts(GIVEN)
    [first, other] = vectors.of(["unheard", "of"], seed=1, dimensions=3)
    assert math.isclose(math.hypot(*first), 1, abs_tol=1e-5)
    assert first != other
    assert [first] == vectors.of(["unheard"], seed=1, dimensions=3)
    assert [first] != vectors.of(["unheard"], seed=2, dimensions=3)


def test_the_task_before_a_text_does_not_hide_it() -> None:
    vectors = Vectors.of_texts(GIVEN)
    assert vectors.of(["search_query: invoice"], seed=1, dimensions=3) == [[0.0, 0.0, 1.0]]


_IN_ANOTHER_PROCESS = """
import asyncio, json, sys
from core.llm.embedded import WordLlama
from core.llm.hosts import OllamaHosts
from core.llm.ollama import OllamaHost
from core.llm.ollama_embed import OllamaEmbedder

async def main():
    url, model, *texts = sys.argv[1:]
    hosts = OllamaHosts([OllamaHost(url)])
    embedder = await OllamaEmbedder.discover(hosts, model)
    found = [await each.embed(texts, kind="passage") for each in (WordLlama(), embedder)]
    await hosts.aclose()
    print(json.dumps([embedder.space.name, *found]))

asyncio.run(main())
"""


async def test_the_same_text_embeds_the_same_in_every_process_and_batch(
    make_host: MakeHost, base_url: str
) -> None:
    texts = ["Start small.", "Zwölf Boxkämpfer jagen Viktor.", "", "明日もやろう"]
    embedder = await OllamaEmbedder.discover(OllamaHosts([make_host()]), EMBED)
    here = [
        [vector for text in texts for vector in await each.embed([text], kind="passage")]
        for each in (WordLlama(), embedder)
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _IN_ANOTHER_PROCESS, base_url, EMBED, *texts),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert json.loads(output) == [embedder.space.name, *here]
