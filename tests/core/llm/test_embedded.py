"""WordLlama read from its wheel: the package's own numbers, safe for any text."""

import asyncio
import logging
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.llm.embedded import WordLlama, _read_files

TEXTS = ["How do habits form?", "Sleep well.", "習慣を作る", "🎉", "a" * 5000, "two\nlines"]


async def test_one_unit_vector_a_text(word_llama: WordLlama) -> None:
    vectors = np.array(await word_llama.embed(TEXTS, kind="passage"))
    assert vectors.shape == (len(TEXTS), word_llama.space.dimensions)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert word_llama.space.name == "wordllama-256"


async def test_the_same_text_gives_the_same_bits_in_any_company(word_llama: WordLlama) -> None:
    together = await word_llama.embed(TEXTS, kind="passage")
    fresh = WordLlama()
    for text, vector in zip(TEXTS, together, strict=True):
        assert (await fresh.embed([text], kind="query"))[0] == vector


def test_the_numbers_are_the_packages_own(word_llama: WordLlama) -> None:
    """In another process: importing the package takes over the root logger."""
    program = (
        "import json, sys; from pathlib import Path; import wordllama;"
        "from safetensors.numpy import load_file; from tokenizers import Tokenizer;"
        "home = Path(wordllama.__file__).parent;"
        "weights = load_file(home / 'weights/l2_supercat_256.safetensors')['embedding.weight'];"
        "name = str(home / 'tokenizers/l2_supercat_tokenizer_config.json');"
        "model = wordllama.WordLlamaInference(weights, Tokenizer.from_file(name));"
        "print(json.dumps(model.embed(json.loads(sys.argv[1]), norm=True).tolist()))"
    )
    import json

    result = subprocess.run(
        [sys.executable, "-c", program, json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    theirs = np.array(json.loads(result.stdout))
    assert word_llama.encode(TEXTS) == pytest.approx(theirs, abs=1e-5)


def test_logging_stays_as_it_was() -> None:
    before = list(logging.getLogger().handlers)
    WordLlama().encode(["text"])
    assert logging.getLogger().handlers == before
    assert "wordllama" not in sys.modules


async def test_nothing_to_embed(word_llama: WordLlama) -> None:
    assert await word_llama.embed([], kind="passage") == []


@given(st.text(max_size=60))
@settings(max_examples=80, deadline=None)
def test_any_text_has_a_finite_unit_vector(text: str) -> None:
    vector = _MODEL.encode([text])[0]
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("text", ["", " ", "\n", "\ud800", "\x00"], ids=repr)
def test_hardly_any_text_is_safe(text: str) -> None:
    assert np.linalg.norm(_MODEL.encode([text])[0]) == pytest.approx(1, abs=1e-4)


async def test_a_hundred_callers_load_it_once_and_the_loop_goes_on() -> None:
    _read_files.cache_clear()
    model = WordLlama()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    vectors = await asyncio.gather(*(model.embed(["text"], kind="query") for _ in range(100)))
    ticking.cancel()
    assert all(vector == vectors[0] for vector in vectors)
    assert ticks > 10
    assert _read_files.cache_info().misses == 1


_MODEL = WordLlama()
