"""What a template must be before it is stored, and what is said of one that isn't."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from core.llm.base import Rendered
from core.llm.budget import fit
from core.llm.prompt_catalog import ANSWER, CATALOG, spec_of
from core.llm.prompt_checks import check_body
from core.llm.prompt_preview import preview
from core.llm.prompt_source import compile_body
from core.llm.prompts import built_in
from shared.errors import InvalidInput, NotFound
from tests.core.llm.conftest import asking

GOOD = """{% block system %}{{ persona }} If you can't tell: {{ unknown }}{% endblock %}
{% block user %}
{% for passage in passages %}
[{{ loop.index }}] {{ passage.text }}
{% endfor %}
{{ question }}
{% endblock %}"""


def refusal(body: str) -> tuple[str | None, str]:
    with pytest.raises(InvalidInput) as raised:
        check_body(ANSWER, body)
    return raised.value.detail_code, raised.value.message


def test_a_good_template_tells_its_variables() -> None:
    assert check_body(ANSWER, GOOD) == ("passages", "persona", "question", "unknown")


@pytest.mark.parametrize("source", built_in("answer"), ids=lambda source: source.reference)
def test_what_comes_with_cairn_passes(source: Any) -> None:
    check_body(ANSWER, source.body)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (("{{ persona }}", "{{ personna }}"), "unknown_variable", "did you mean 'persona'"),
        (("{{ persona }}", "{{ zzz }}"), "unknown_variable", "'zzz'; did you mean"),
        (("{{ question }}", "{{ qestion }}"), "unknown_variable", "did you mean 'question'"),
        (("{{ question }}", ""), "missing_variable", "'question' is not used"),
        (("{{ unknown }}", "no"), "missing_variable", "'unknown' is not used"),
        (("{{ question }}", "{% if question %}?{% endif %}"), "missing_variable", "not written"),
        (("{{ question }}", "{{ question|truncate(9) }}"), "missing_variable", "not written"),
        (("in passages", "in passages[:1]"), "missing_variable", "'passages' is used, but"),
        (("block user", "block uzer"), "missing_block", "no block 'user'"),
        (("{% for passage", "\n{% for"), "template_syntax", "line 4"),
        (("{{ question }}", "{{ question"), "template_syntax", "line 7"),
        (("{{ question }}", "{{ question|shout }}"), "template_syntax", "No filter named 'shout'"),
        (("{{ question }}", "{{ question.__class__ }}"), "template_syntax", "line 6"),
        (("{% endfor %}", "{% include 'x' %}{% endfor %}"), "template_syntax", "line 5: include"),
        (("{{ passage.text }}", "{{ passage.body }}"), "template_fails", "body"),
        (("{{ persona }}", "{{ 1 / 0 }}{{ persona }}"), "template_fails", "division by zero"),
        (("{{ persona }}", "{{ facts[0] }}"), "template_fails", "no element 0"),
        (("{{ persona }}", "{% for i in range(8000) %}......{% endfor %}"), "too_long", "40000"),
        (("{{ persona }}", "{{ ''.join(persona) }}"), "template_fails", "join cannot be called"),
    ],
)
def test_a_mistake_is_named(change: tuple[str, str], code: str, message: str) -> None:
    assert change[0] in GOOD
    found_code, found_message = refusal(GOOD.replace(*change))
    assert found_code == code, found_message
    assert message in found_message


@pytest.mark.parametrize("body", ["", " \n", "just words", "x" * 20_001])
def test_what_is_no_template_is_refused(body: str) -> None:
    assert refusal(body)[0] in ("template_syntax", "missing_variable")


def test_an_unknown_template_is_not_found() -> None:
    with pytest.raises(NotFound):
        spec_of("nothing")


def test_a_preview_takes_what_is_given_and_samples_for_the_rest() -> None:
    shown = preview(ANSWER, GOOD, {"question": "And then?"})
    assert shown.blocks["user"].endswith("And then?\n")
    assert ANSWER.samples[0]["persona"] in shown.text
    for body, code in (("{% if %}", "template_syntax"), ("{{ x }}", "template_fails")):
        with pytest.raises(InvalidInput) as raised:
            preview(ANSWER, body, {})
        assert raised.value.detail_code == code


class _Asked:
    """Notes what a template of the answer is given."""

    name = "asked@1"

    def __init__(self) -> None:
        self.given: set[str] = set()

    def render_blocks(self, context: Mapping[str, Any], *blocks: str) -> Rendered:
        self.given = set(context)
        return Rendered(reference=self.name, blocks=dict.fromkeys(blocks, ""))


def test_the_catalog_names_exactly_what_the_answer_is_given() -> None:
    asked = _Asked()
    fit(asking(), asked, num_ctx=4096)
    assert asked.given == set(ANSWER.variables)


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG)
def test_every_sample_holds_every_variable(spec: Any) -> None:
    for sample in spec.samples:
        assert set(sample) == set(spec.variables)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,63}", spec.template_id)
    assert compile_body(built_in(spec.template_id)[0].body).blocks == set(spec.blocks)
