"""A version that fails gives way to the next lower one, at last to what comes with Cairn."""

from pathlib import Path

import pytest

from core.llm.budget import fit
from core.llm.prompt_catalog import ANSWER
from core.llm.prompts import PromptSource, PromptTemplate, built_in
from shared.errors import PromptRenderError
from tests.core.llm.conftest import asking

CONTEXT = dict(ANSWER.samples[0])
WORKS = "{% block system %}S{{ n }}{% endblock %}{% block user %}U{% endblock %}"
FAILS = "{% block system %}S{% endblock %}{% block user %}{{ nothing }}{% endblock %}"


def source(version: int, body: str) -> PromptSource:
    return PromptSource(template_id="answer", version=version, body=body)


def stored(*bodies: str, template_id: str = "answer") -> PromptTemplate:
    """The first body is the highest version."""
    first, *lower = [
        PromptSource(template_id=template_id, version=len(bodies) - index, body=body)
        for index, body in enumerate(bodies)
    ]
    return PromptTemplate.from_source(template_id, first.version, first.body, lower=lower)


def test_a_stored_body_is_rendered_and_named() -> None:
    template = stored("{{ question }}!", "old")
    assert template.render({"question": "Why?"}) == "Why?!"
    assert (template.name, template.reference, template.version) == ("answer@2", "answer@2", 2)


@pytest.mark.parametrize(
    ("origin", "locale", "reference"),
    [
        ("own", "", "answer@3"),
        ("own", "pt-br", "answer.pt-br@3"),
        ("shared", "", "shared/answer@3"),
        ("shared", "de", "shared/answer.de@3"),
    ],
)
def test_a_reference_says_whose_it_is(origin: str, locale: str, reference: str) -> None:
    template = PromptTemplate.from_source(
        "answer", 3, WORKS, locale=locale, origin=origin  # type: ignore[arg-type]
    )
    assert (template.name, template.reference) == ("answer@3", reference)
    assert template.render_blocks({"n": 1}, "system", "user").reference == reference


def test_what_comes_with_cairn_says_so() -> None:
    rendered = PromptTemplate("answer", 1).render_blocks(CONTEXT, "system", "user")
    assert rendered.reference == "builtin/answer@1"
    assert fit(asking(), PromptTemplate("answer", 1), num_ctx=4096).template == "builtin/answer@1"


@pytest.mark.parametrize(
    ("bodies", "reference"),
    [
        ((WORKS, FAILS), "answer@2"),
        ((FAILS, WORKS), "answer@1"),
        (("{{ 1 / 0 }}", FAILS, WORKS, WORKS), "answer@2"),
        (("{% if %}", WORKS), "answer@1"),
        ((FAILS, "no block"), built_in("answer")[0].reference),
    ],
)
def test_the_next_lower_version_that_works_is_rendered_whole(
    bodies: tuple[str, ...], reference: str
) -> None:
    rendered = stored(*bodies).render_blocks({**CONTEXT, "n": 1}, "system", "user")
    assert rendered.reference == reference
    if reference.startswith("answer"):
        assert rendered.blocks == {"system": "S1", "user": "U"}  # not one block of each


def test_it_goes_down_to_the_first_that_comes_with_cairn() -> None:
    only_of_v1 = {name: CONTEXT[name] for name in ("persona", "unknown", "question", "passages")}
    rendered = stored(FAILS, FAILS).render_blocks(only_of_v1, "system", "user")
    assert rendered.reference == "builtin/answer@1"


def test_when_nothing_works_every_reason_is_told() -> None:
    template = stored("{{ 1 / 0 }}", "{{ absent }}", "{% if %}")
    with pytest.raises(PromptRenderError) as raised:
        template.render({})
    reasons = str(raised.value).split("; ")
    names = [reason.partition(": ")[0] for reason in reasons]
    assert names == ["answer@3", "answer@2", "answer@1", *(s.reference for s in built_in("answer"))]
    assert "division by zero" in reasons[0]
    assert "'absent' is undefined" in reasons[1]
    assert "Expected an expression" in reasons[2]


def test_built_in_files_fall_back_too(tmp_path: Path) -> None:
    for version, body in ((1, "one"), (2, "{{ absent }}"), (10, "{% if %}")):
        (tmp_path / f"guest.v{version}.md.j2").write_text(body)
    (tmp_path / "guest.vx.md.j2").write_text("no version")
    assert PromptTemplate("guest", 12, folder=tmp_path).name == "guest@10"
    assert PromptTemplate("guest", 12, folder=tmp_path).render({}) == "one"
    assert PromptTemplate("guest", 2, folder=tmp_path).name == "guest@2"
    with pytest.raises(PromptRenderError, match="no prompt template"):
        PromptTemplate("other", 1, folder=tmp_path)
