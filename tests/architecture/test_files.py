"""Files stay short, say what they are for, and know nothing of the machine they were written on."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.tree import Module, modules, text_of, tracked_files

FILE_LINES = 400
FUNCTION_LINES = 60
# A migration is one idea told in SQL, and its length is the schema's.
SQL_FOLDER = "migrations/versions/"

OF_A_MACHINE = re.compile(r"(?<![\w.:-])/(?:root|work|home/[a-z][\w-]*|Users/[A-Za-z][\w-]*)/\w")
OF_A_REGISTRY = re.compile(
    r"(?:--(?:extra-)?index-url|--trusted-hos[t]|(?i:https?://(?:[^\s/@]*@)?[\w.-]*"
    r"(?:py[p]i|n[p]mjs|pyt[h]onhosted)\.\w+))"
)
UNFINISHED = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b"
)


def functions_of(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_shipped_file_is_longer_than_a_person_reads() -> None:
    lengths = {m.path: len(m.text.splitlines()) for m in modules() if m.is_shipped}
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = {
        f"{module.path}:{function.name}": lines
        for module in modules()
        if not module.path.startswith(SQL_FOLDER)
        for function in functions_of(module)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    }
    assert too_long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [m.path for m in modules() if m.text.strip() and not ast.get_docstring(m.tree)]
    assert silent == []


def test_no_shipped_module_prints() -> None:
    """Scripts and the command line speak to a terminal; everything else logs."""
    printing = [
        module.path
        for module in modules()
        if module.is_shipped and not module.path.startswith(("scripts/", "core/cli/"))
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert printing == []


def found_in_tree(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {match[0]}"
        for path in tracked_files()
        for number, line in enumerate((text_of(path) or "").splitlines(), 1)
        if (match := pattern.search(line))
    ]


def test_no_file_knows_a_machine() -> None:
    assert found_in_tree(OF_A_MACHINE) == []


def test_no_file_names_a_package_registry() -> None:
    assert found_in_tree(OF_A_REGISTRY) == []


def test_nothing_is_left_unfinished() -> None:
    assert found_in_tree(UNFINISHED) == []


def test_no_file_holds_a_private_key() -> None:
    assert found_in_tree(SECRET) == []


def test_the_patterns_find_what_they_are_for() -> None:
    home, index, note = "/ho" + "me/ada/x", "https://py" + "pi.org/simple", "# TO" + "DO later"
    assert OF_A_MACHINE.search(f"open('{home}')")
    assert not OF_A_MACHINE.search("https://example.com/work/item")
    assert OF_A_REGISTRY.search(f"pip install -i {index}")
    assert UNFINISHED.search(note)
