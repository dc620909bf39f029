"""Read the source of a prompt template: what may stand in one, which variables it wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateRuntimeError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.visitor import NodeTransformer

from core.llm.prompt_sandbox import PromptSandbox, metering

MAX_BODY = 20_000  # characters; more than a small model's whole context
MAX_NODES = 2_000

SANDBOX = PromptSandbox()
_ALLOWED = (
    *(nodes.Template, nodes.Block, nodes.Output, nodes.TemplateData, nodes.If, nodes.For),
    *(nodes.Assign, nodes.With, nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict),
    *(nodes.Pair, nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call),
    *(nodes.Getitem, nodes.Getattr, nodes.Slice, nodes.Concat, nodes.Compare, nodes.Operand),
    *(nodes.BinExpr, nodes.UnaryExpr),
)


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A template that was read; `variables` are those it wants from its context."""

    template: Template
    variables: frozenset[str]
    blocks: frozenset[str]

    def render(self, context: Mapping[str, Any], block: str | None = None) -> str:
        """Raises whatever a template may raise: it is a program."""
        if block and block not in self.blocks:
            raise TemplateRuntimeError(f"it has no block {block!r}")
        run = self.template.blocks[block] if block else self.template.root_render_func
        written = []
        with metering() as meter:
            for piece in run(self.template.new_context(dict(context))):
                meter.take(len(piece))
                written.append(piece)
        return "".join(written)


@lru_cache(maxsize=512)
def compile_body(body: str) -> Compiled:
    """Raises TemplateSyntaxError, with its line, for all that a prompt template may not be."""
    if len(body) > MAX_BODY:
        raise TemplateSyntaxError(f"longer than {MAX_BODY} characters", 1)
    try:
        return _compile(body)
    except TemplateSyntaxError:
        raise
    except RecursionError as error:
        raise TemplateSyntaxError("nested too deeply", 1) from error
    except (ValueError, SyntaxError, MemoryError, OverflowError) as error:
        raise TemplateSyntaxError(f"it cannot be compiled: {error}", 1) from error


def _compile(body: str) -> Compiled:
    tree = SANDBOX.parse(body)
    _check(tree)
    variables = find_undeclared_variables(tree) - set(SANDBOX.globals)
    template = SANDBOX.from_string(_Counting().visit(tree))
    return Compiled(
        template=template, variables=frozenset(variables), blocks=frozenset(template.blocks)
    )


class _Counting(NodeTransformer):
    """Puts the sandbox's counters where loops run and texts are joined."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = _ours("counted", [node.iter], node)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:
        self.generic_visit(node)
        return _ours("joined", node.nodes, node)


def _ours(name: str, arguments: Sequence[nodes.Node], at: nodes.Node) -> nodes.Call:
    function = nodes.EnvironmentAttribute(name, lineno=at.lineno)
    return nodes.Call(function, list(arguments), [], None, None, lineno=at.lineno)


def _check(tree: nodes.Template) -> None:
    """Raises for the first thing that is not allowed."""
    waiting: list[nodes.Node] = [tree]
    for _ in range(MAX_NODES):
        if not waiting:
            return
        node = waiting.pop()
        if reason := _refusal(node, tree):
            raise TemplateSyntaxError(reason, node.lineno or 1)
        waiting.extend(node.iter_child_nodes())
    raise TemplateSyntaxError(f"more than {MAX_NODES} parts", 1)


def _refusal(node: nodes.Node, tree: nodes.Template) -> str | None:
    if not isinstance(node, _ALLOWED):
        return f"{type(node).__name__.lower()} is not allowed in a prompt template"
    match node:
        case nodes.For(recursive=True):
            return "a recursive loop is not allowed in a prompt template"
        case nodes.Getattr() if node.attr.startswith("_"):
            return f"the attribute {node.attr!r} is private"
        case nodes.Block() if not any(node is top for top in tree.body):
            return f"the block {node.name!r} must stand by itself, inside nothing else"
        case nodes.List() | nodes.Tuple() | nodes.Dict() if not _is_plain(node):
            return "a list may hold constants only"  # lists of lists would grow by doubling
    return None


def _is_plain(node: nodes.List | nodes.Tuple | nodes.Dict) -> bool:
    if isinstance(node, nodes.Tuple) and node.ctx == "store":
        return True  # `for key, value in …`
    items: Sequence[nodes.Node] = node.items
    return all(isinstance(part, nodes.Const) for item in items for part in _parts(item))


def _parts(item: nodes.Node) -> Sequence[nodes.Node]:
    return (item.key, item.value) if isinstance(item, nodes.Pair) else (item,)
