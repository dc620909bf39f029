"""The OpenAPI document: the same on every run, and drift is found."""

from pathlib import Path

import pytest

from scripts.generate_openapi_schemas import generate, main


def test_the_document_in_the_tree_is_current() -> None:
    assert main(["--check"]) == 0


def test_it_is_the_same_on_every_run() -> None:
    assert generate() == generate()


def test_drift_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "openapi.json"
    target.write_text("{}", encoding="utf-8")
    assert main(["--check"], target) == 1
    assert "not up to date" in capsys.readouterr().err
    assert main([], target) == 0
    assert main(["--check"], target) == 0
