"""Reading golden sets: what a line may be, and what is said about one that is wrong."""

from pathlib import Path

import pytest

from core.evaluation import golden
from core.evaluation.golden import Question
from core.evaluation.ground import asked, key
from shared.errors import InvalidInput
from shared.utils.ids import new_id

DATA = Path(__file__).parent / "data"


def test_documents_questions_and_those_without_an_answer() -> None:
    found = golden.load(DATA)
    assert len(found.documents) == 6
    assert found.documents["money"][0] == "A simple budget"
    assert (len(found.answerable), len(found.unanswerable)) == (12, 12)
    assert found.answerable[0].expects == ("regular bedtime",)
    assert found.answerable[3].headline == found.answerable[3].text  # it has no short form
    assert found.name == "data"


def test_the_hash_tells_a_changed_set_from_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"query": "Why?", "relevant": ["a"]}\n')
    before = golden.load(tmp_path).hash
    assert golden.load(tmp_path).hash == before
    file.write_text('{"query": "Why not?", "relevant": ["a"]}\n')
    assert golden.load(tmp_path).hash != before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param('{"query": ', "line 1 is not JSON", id="no JSON"),
        pytest.param("\n[1]\n", "line 2 is not an object", id="no object"),
        pytest.param('{"id": "a"}', "line 1: 'text'", id="document without text"),
        pytest.param('{"query": "a", "relevant": 3}', "line 1", id="relevant is no list"),
        pytest.param('{"query": "a", "relevant": []}', "no answerable question", id="no question"),
        pytest.param("", "no answerable question", id="empty"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "set.jsonl").write_text(content)
    with pytest.raises(InvalidInput, match=message) as caught:
        golden.load(tmp_path)
    assert caught.value.detail_code == "bad_golden_set"


def test_questions_whose_documents_are_not_here_are_left_out() -> None:
    here = new_id()
    found = golden.GoldenSet(
        documents={},
        answerable=[_question("  Sleeping   BETTER "), _question("gone")],
        unanswerable=[],
    )
    [only] = asked(found, {key("Sleeping better"): frozenset({here})})
    assert only.relevant == {here}
    with pytest.raises(InvalidInput, match="none of the documents"):
        asked(found, {})


def _question(name: str) -> Question:
    return Question(text="Why?", headline="Why?", relevant=frozenset({name}))
