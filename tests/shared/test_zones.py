"""Zones and languages as people write them."""

import pytest

from shared.utils.zones import find_language, find_zones, is_language_tag, is_zone


@pytest.mark.parametrize(
    ("words", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        (" Berlin ", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("New_York", "America/New_York"),
        ("Berln", "Europe/Berlin"),
        ("sao paulo", "America/Sao_Paulo"),
        ("utc", "UTC"),
        ("louisville", "America/Louisville"),
    ],
)
def test_a_place_is_understood(words: str, zone: str) -> None:
    assert find_zones(words) == [zone]
    assert is_zone(zone)


@pytest.mark.parametrize("words", ["Mars/X", "", "UTC+2", "../../etc/passwd", "x" * 5000, "🦊"])
def test_what_is_no_place_is_none(words: str) -> None:
    assert find_zones(words) == []
    assert not is_zone(words)


@pytest.mark.parametrize(
    ("words", "tag"),
    [
        ("de", "de"),
        ("pt-BR", "pt-BR"),
        ("pt_br", "pt-br"),
        ("german", "de"),
        ("Deutsch", "de"),
        ("french", "fr"),
        ("klingon", None),
        ("x", None),
        ("", None),
        ("C", None),
        ("de-" + "x" * 50, None),
    ],
)
def test_a_language_is_understood(words: str, tag: str | None) -> None:
    assert find_language(words) == tag
    assert tag is None or is_language_tag(tag)


@pytest.mark.parametrize(
    "tag", ["en", "zh-Hant-TW", "es-419", "de-CH-1996", "en-US-x-twain", "gsw"]
)
def test_well_formed_tags(tag: str) -> None:
    assert is_language_tag(tag)


@pytest.mark.parametrize("tag", ["", "e", "abcd", "de_DE", "de-", "-de", "de--CH", "a" * 9])
def test_malformed_tags(tag: str) -> None:
    assert not is_language_tag(tag)
