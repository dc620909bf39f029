"""Which models a contact meets, and in which turn: candidate, production, fallbacks."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.house import HOUSE
from core.llm.versions import ModelMetadata, Shelf, UnknownModel, in_turn
from shared.models.models import ModelLabel
from shared.utils.shares import in_share

ADA = UUID(int=7)
CONTACTS = [UUID(int=number) for number in range(1, 2001)]
NOBODY = Shelf()


def shelf(
    owner: UUID | None, paths: dict[int, str], labels: dict[str, int | tuple[int, int]]
) -> Shelf:
    """Versions of `answers` by their paths; a label's value may be (version, percent)."""
    models = [
        ModelMetadata(
            name="answers", model_type="chat", version=version, creator_id=owner, model_path=path
        )
        for version, path in sorted(paths.items(), reverse=True)
    ]
    pairs = {name: (to, 100) if isinstance(to, int) else to for name, to in labels.items()}
    return Shelf(
        models={"answers": models} if models else {},
        labels={
            ("answers", name): ModelLabel(
                name="answers",
                label=name,
                version=version,
                previous=None,
                percent=percent,
                updated_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
            for name, (version, percent) in pairs.items()
        },
    )


BUILT_IN = shelf(None, {0: "ollama:built-in"}, {"production": 0})
OWN = shelf(
    ADA,
    {1: "ollama:one", 2: "ollama:two", 3: "ollama:three", 4: "ollama:four"},
    {"production": 3, "candidate": (4, 50), "fallback": 1},
)
SHARED = shelf(HOUSE, {1: "ollama:house"}, {"production": 1})


def refs(shelves: list[Shelf], contact: UUID | None = None) -> list[str]:
    return [model.ref for model in in_turn(shelves, "answers", contact)]


def test_the_settings_answer_where_nothing_is_registered() -> None:
    assert refs([NOBODY, NOBODY, BUILT_IN]) == ["answers@0"]
    with pytest.raises(UnknownModel):
        in_turn([NOBODY, NOBODY, BUILT_IN], "nobody", None)


def test_production_then_the_fallback_then_the_version_below_then_the_built_in() -> None:
    expected = ["answers@3", "answers@1", "answers@2", "answers@0"]
    assert refs([OWN, SHARED, BUILT_IN]) == expected


def test_the_houses_answer_for_a_creator_that_has_none_in_production() -> None:
    registered = shelf(ADA, {1: "ollama:one"}, {})
    assert refs([registered, SHARED, BUILT_IN]) == ["shared/answers@1", "answers@0"]


def test_a_share_of_the_contacts_meets_the_candidate_first() -> None:
    firsts = [refs([OWN, SHARED, BUILT_IN], contact)[:2] for contact in CONTACTS]
    meeting = firsts.count(["answers@4", "answers@3"])
    assert meeting + firsts.count(["answers@3", "answers@1"]) == len(CONTACTS)
    assert 0.45 < meeting / len(CONTACTS) < 0.55


def test_nobody_in_particular_meets_no_candidate() -> None:
    assert refs([OWN, SHARED, BUILT_IN], None)[0] == "answers@3"


def test_a_candidate_for_all_is_not_for_those_who_chose_their_own() -> None:
    trying = shelf(HOUSE, {1: "ollama:a", 2: "ollama:b"}, {"production": 1, "candidate": 2})
    chosen = shelf(ADA, {1: "ollama:one"}, {"production": 1})
    assert refs([NOBODY, trying, BUILT_IN], CONTACTS[0])[0] == "shared/answers@2"
    assert refs([chosen, trying, BUILT_IN], CONTACTS[0])[0] == "answers@1"


def test_the_same_model_is_not_asked_twice_and_nothing_after_quoting() -> None:
    same = shelf(ADA, {1: "ollama:built-in", 2: "ollama:two"}, {"production": 2, "fallback": 1})
    assert refs([same, NOBODY, BUILT_IN]) == ["answers@2", "answers@1"]
    quoting = shelf(ADA, {1: "ollama:one", 2: "extractive"}, {"production": 2})
    assert refs([quoting, SHARED, BUILT_IN]) == ["answers@2"]


@pytest.mark.parametrize(("percent", "share"), [(0, 0.0), (50, 0.5), (100, 1.0)])
def test_a_share_is_as_large_as_it_says(percent: int, share: float) -> None:
    chosen = [in_share(contact, percent, "answers", "candidate") for contact in CONTACTS]
    assert abs(sum(chosen) / len(CONTACTS) - share) < (0.05 if 0 < percent < 100 else 1e-9)


@given(st.uuids(), st.integers(0, 100), st.integers(0, 100))
def test_who_is_in_a_share_stays_in_when_it_grows(contact: UUID, one: int, two: int) -> None:
    small, large = sorted((one, two))
    assert in_share(contact, small, "a") <= in_share(contact, large, "a")
    assert in_share(contact, one, "a") == in_share(contact, one, "a")


def test_another_name_draws_other_contacts() -> None:
    one = [in_share(contact, 50, "answers") for contact in CONTACTS]
    two = [in_share(contact, 50, "prompts") for contact in CONTACTS]
    differing = sum(a != b for a, b in zip(one, two, strict=True))
    assert 0.4 < differing / len(CONTACTS) < 0.6
