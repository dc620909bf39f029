"""A template is a stranger's program: what it may say, and how it ends when it is a hostile one."""

import time

import pytest
from jinja2 import TemplateSyntaxError

from core.llm.prompt_sandbox import MAX_CPU_SECONDS
from core.llm.prompt_source import MAX_BODY, compile_body
from core.llm.prompts import PromptTemplate, built_in
from shared.errors import PromptRenderError

CONTEXT = {
    "q": "hello",
    "words": ["a", "b"],
    "passages": [{"label": "l", "text": "t"}, {"label": "", "text": "u"}],
}
# Far above what a busy machine needs for a bomb that goes out, far below one that goes off.
SOON_SECONDS = 10.0


def rendered(body: str) -> str:
    return compile_body(body).render(CONTEXT)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{{ q|upper }} {{ q ~ 1 ~ '!' }} {{ 'a' + 'b' }}", "HELLO hello1! ab"),
        ("{{ words|join(', ') }}; {{ passages|join('+', attribute='text') }}", "a, b; t+u"),
        ("{% for p in passages %}{{ loop.index }}{{ p.text }}{% endfor %}", "1t2u"),
        ("{% for p in passages if p.label %}{{ p.text }}{% else %}-{% endfor %}", "t"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "a1"),
        ("{% for i in range(3) %}{{ i * 2 + 1 }}{{ ',' if not loop.last }}{% endfor %}", "1,3,5"),
        ("{% if q in ['hi', 'hello'] %}yes{% elif q %}no{% endif %}", "yes"),
        ("{% set n = words|length %}{{ n }}{% with m = n %}{{ m }}{% endwith %}", "22"),
        ("{{ absent|default('none') }} {{ q.strip().upper() }} {{ q[::-1] }}", "none HELLO olleh"),
        ("{{ q|replace('l', 'L')|truncate(9) }}", "heLLo"),
        ("{% raw %}{{ q }}{% endraw %}{# a remark #}", "{{ q }}"),
    ],
)
def test_a_template_can_say_what_a_prompt_needs(body: str, text: str) -> None:
    assert rendered(body) == text


DOUBLED = "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}"
NESTED = "{% for a in words %}" * 18 + "x" + "{% endfor %}" * 18
SLOW = (
    "{% set a = 'aaaaaaaa' %}" + "{% set a = a ~ a %}" * 12 + "{% set b = a ~ '' %}"
    "{% for i in range(9999) %}" + "{% if b == a %}{% endif %}" * 300 + "{% endfor %}"
)
BOMBS = {
    "range": "{% for i in range(10**9) %}a{% endfor %}",
    "long range": "{% for i in range(1000000000) %}a{% endfor %}",
    "silent loops": "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "nested loops": NESTED,
    "multiplied text": "{{ 'a' * 1000000000 }}",
    "multiplied list": "{% for i in words * 1000000000 %}{% endfor %}",
    "power": "{{ 9 ** 999999999 }}",
    "product": "{{ 999999 * 999999 * 999999 * 999999 }}",
    "doubled text": DOUBLED,
    "added text": DOUBLED.replace("~", "+"),
    "replaced text": "{% set a = 'aaaaaaaaaa' %}"
    + "{% set a = a|replace('a', a) %}" * 9
    + "{{ a }}",
    "joined text": "{% set a = 'aaaaaaaaaa' %}" + "{% set a = range(99)|join(a) %}" * 9 + "{{ a }}",
    "padding": "{{ 'x'.center(1000000000) }}",
    "formatting": "{{ '%999999999d' % 1 }}",
    "format method": "{{ '{:>999999999}'.format(1) }}",
    "lorem ipsum": "{{ lipsum(1000000) }}",
    "lists of lists": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "macro": "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "block that calls itself": "{% block b %}{{ self.b() }}{{ self.b() }}{% endblock %}",
    "recursive loop": "{% for a in words recursive %}{{ loop(words) }}{% endfor %}",
    "namespace": "{% set ns = namespace(x='a') %}",
    "parentheses": "{{ " + "(" * 6000 + "1" + ")" * 6000 + " }}",
    "many nots": "{{ " + "not " * 4000 + "1 }}",
    "long sum": "{{ 1" + "+1" * 900 + " }}",
    "many digits": "{{ " + "9" * 9000 + " }}",
    "deep loops": "{% for a in words %}" * 60 + "{% endfor %}" * 60,
    "time": SLOW,
    "size": "x" * (MAX_BODY + 1),
    "parts": "{{ q }}" * 2000,
}
ESCAPES = {
    "class": "{{ ''.__class__.__mro__ }}",
    "item": "{{ ''['__class__'] }}",
    "attr filter": "{{ q|attr('__class__') }}",
    "map filter": "{{ words|map('upper')|join }}",
    "format field": "{{ '{0.__class__}'.format(q) }}",
    "globals": "{{ range.__globals__ }}",
    "join's attribute": "{{ words|join('', attribute='__class__') }}",
    "environment": "{{ self._TemplateReference__context.environment }}",
    "cycler": "{{ cycler.__init__.__globals__ }}",
    "change": "{{ words.append('c') }}",
    "change of a mapping": "{{ {'a': 1}.update({'b': 2}) }}",
    "bytes": "{{ q.encode() }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'answer.v1.md.j2' as other %}",
    "extends": "{% extends 'answer.v1.md.j2' %}",
    "a list as Python writes it": "{{ words }}",
    "an object": "{{ passages[0] }}",
}


@pytest.mark.parametrize("body", [*BOMBS.values(), *ESCAPES.values()], ids=[*BOMBS, *ESCAPES])
def test_a_hostile_template_ends_soon_in_a_typed_error(body: str) -> None:
    template = PromptTemplate.from_source("hostile", 1, body)
    began = time.thread_time()
    with pytest.raises(PromptRenderError, match="hostile@1: "):
        template.render(CONTEXT)
    assert time.thread_time() - began < SOON_SECONDS
    assert CONTEXT["words"] == ["a", "b"]


def test_time_is_counted_while_nothing_is_written() -> None:
    with pytest.raises(PromptRenderError, match=f"more than {MAX_CPU_SECONDS} seconds"):
        PromptTemplate.from_source("slow", 1, SLOW).render(CONTEXT)


@pytest.mark.parametrize("source", built_in("answer"), ids=lambda source: source.reference)
def test_what_comes_with_cairn_can_be_read(source: object) -> None:
    assert compile_body(source.body).blocks == {"system", "user"}  # type: ignore[attr-defined]


def test_a_refusal_names_the_line() -> None:
    with pytest.raises(TemplateSyntaxError) as raised:
        compile_body("fine\n{{ q }}\n{% macro m() %}{% endmacro %}")
    assert raised.value.lineno == 3
