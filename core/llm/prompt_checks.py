"""What a prompt template must be before it is stored: readable, complete, and it renders."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import TemplateSyntaxError

from core.llm.prompt_catalog import TemplateSpec
from core.llm.prompt_source import Compiled, compile_body
from core.llm.prompts import reason
from shared.errors import InvalidInput

MAX_RENDERED = 40_000  # characters with a sample context


def check_body(spec: TemplateSpec, body: str) -> tuple[str, ...]:
    """The variables a body uses, sorted. Raises InvalidInput with what is wrong, and where."""
    if not body.strip():
        raise InvalidInput("the template is empty", code="template_syntax")
    try:
        compiled = compile_body(body)
    except TemplateSyntaxError as error:
        raise syntax_error(error) from error
    _check_names(spec, compiled)
    for sample in spec.samples:
        _check_rendering(spec, render_sample(compiled, spec, sample), sample)
    return tuple(sorted(compiled.variables))


def syntax_error(error: TemplateSyntaxError) -> InvalidInput:
    """Where it is and what."""
    what = error.message or "it cannot be read"
    return InvalidInput(f"line {error.lineno}: {what}", code="template_syntax")


def render_sample(
    compiled: Compiled, spec: TemplateSpec, context: Mapping[str, Any]
) -> dict[str, str]:
    """The blocks as they come out. Raises InvalidInput when one doesn't."""
    try:
        return {block: compiled.render(context, block) for block in spec.blocks}
    except Exception as error:  # a template is a program: it may raise anything
        raise InvalidInput(reason(error), code="template_fails") from error


def _check_names(spec: TemplateSpec, compiled: Compiled) -> None:
    for name in sorted(compiled.variables - set(spec.variables)):
        near = difflib.get_close_matches(name, spec.variables, n=1, cutoff=0.0)
        raise InvalidInput(
            f"there is no variable {name[:64]!r}; did you mean {near[0]!r}?",
            code="unknown_variable",
        )
    for name in sorted(spec.required - compiled.variables):
        raise InvalidInput(f"the variable {name!r} is not used", code="missing_variable")
    for block in spec.blocks:
        if block not in compiled.blocks:
            raise InvalidInput(f"there is no block {block!r}", code="missing_block")


def _check_rendering(
    spec: TemplateSpec, blocks: Mapping[str, str], sample: Mapping[str, Any]
) -> None:
    """A variable may be named and yet not arrive: in a condition, or behind one."""
    rendered = "\n".join(blocks.values())
    if len(rendered) > MAX_RENDERED:
        raise InvalidInput(f"it renders more than {MAX_RENDERED} characters", code="too_long")
    if empty := [block for block, text in blocks.items() if not text.strip()]:
        raise InvalidInput(f"the block {empty[0]!r} is empty", code="missing_block")
    for name in sorted(spec.required):
        if any(text not in rendered for text in _texts(sample[name])):
            raise InvalidInput(
                f"the variable {name!r} is used, but not written whole", code="missing_variable"
            )


def _texts(value: Any) -> Iterator[str]:
    """What of a sample must be found again: a text itself, of a passage its text."""
    if isinstance(value, str):
        yield value
    else:
        for item in value:
            yield item["text"]
