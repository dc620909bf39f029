"""What a person writes as YAML is read as they mean it, and nothing else."""

from typing import Any

import pytest

from core.programs import store
from core.programs.reading import read_program, read_yaml
from shared.errors import InvalidInput
from tests.core.programs.coaching import daily, program, step


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("at: 10:30", {"at": "10:30"}),
        ("no: nei", {"no": "nei"}),
        ("on: off", {"on": "off"}),
        ("day: 2026-02-28", {"day": "2026-02-28"}),
        ("n: [1, -2, 0x1F, 1.5, 1e3, ~, true]", {"n": [1, -2, "0x1F", 1.5, 1000.0, None, True]}),
        ('text: "a\\0b"', {"text": "ab"}),
    ],
    ids=["time", "norwegian", "switch", "date", "plain", "nul"],
)
def test_yaml_is_read_without_surprises(text: str, value: Any) -> None:
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "a: &x 1\nb: *x",
        "a: !!python/name:os.system",
        "a: [",
        "a: 1e999",
        "--- 1\n--- 2",
        "[" * 3000,
        b"\xff\xfe\xff",
    ],
    ids=["twice", "alias", "tag", "open", "infinite", "two", "deep", "bytes"],
)
def test_what_is_ambiguous_or_dangerous_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_yaml(text)
    assert caught.value.detail_code == "malformed_yaml"
    assert "\n" not in caught.value.message


def test_a_program_is_the_same_after_it_was_written_and_read() -> None:
    first = program(daily("mood", expires_after={"n": 2, "unit": "hours"}), step("more"))
    again = read_program(store.to_yaml(first).encode(), is_yaml=True)
    assert again == first
    assert store.digest(again) == store.digest(first)
    assert store.compare(first, again, names=("a", "b")) == ""
