"""Which blocks the Web API takes, with its complaints about the others. Pure.

Limits as in https://docs.slack.dev/reference/block-kit/ (a page for each block and element).
"""

from collections.abc import Callable, Iterator
from typing import Any

from adapters.slack.emulator_rules import Refusal

MAX_BLOCKS = 50
_MARKDOWN_BLOCKS = 12_000  # all markdown blocks of a message together
Complaints = Iterator[str]


def check_blocks(blocks: Any) -> None:
    """Raise Refusal when Slack would refuse a message with these blocks."""
    if blocks is None or blocks == "":
        return
    if not isinstance(blocks, list):
        raise Refusal("invalid_blocks_format")
    complaints = list(_of_blocks(blocks))
    if complaints:
        raise Refusal(
            "invalid_blocks",
            errors=complaints,
            messages=[f"[ERROR] {complaint}" for complaint in complaints],
        )


def _of_blocks(blocks: list[Any]) -> Complaints:
    if len(blocks) > MAX_BLOCKS:
        yield _at(f"no more than {MAX_BLOCKS} items allowed", "/blocks")
    yield from _unique([b.get("block_id") for b in blocks if isinstance(b, dict)], "block_id")
    for index, block in enumerate(blocks):
        yield from _of_block(block, f"/blocks/{index}")
    markdown = (b for b in blocks if isinstance(b, dict) and b.get("type") == "markdown")
    if sum(len(str(b.get("text", ""))) for b in markdown) > _MARKDOWN_BLOCKS:
        yield _at(f"must be less than {_MARKDOWN_BLOCKS + 1} characters", "/blocks")


def _of_block(block: Any, where: str) -> Complaints:
    if not isinstance(block, dict):
        yield _at("must be an object", where)
        return
    if len(str(block.get("block_id", ""))) > 255:
        yield _at("must be less than 256 characters", f"{where}/block_id")
    check = _BLOCKS.get(str(block.get("type")))
    if check is None:
        yield _at(f"unsupported type: {block.get('type')}", where)
    else:
        yield from check(block, where)


def _section(block: dict[str, Any], where: str) -> Complaints:
    fields = block.get("fields")
    if not block.get("text") and not fields:
        yield _at("missing required field: text or fields", where)
    if block.get("text"):
        yield from _text(block["text"], f"{where}/text", 3000)
    if fields is not None:
        yield from _list(fields, f"{where}/fields", 10)
        for index, field in enumerate(fields if isinstance(fields, list) else ()):
            yield from _text(field, f"{where}/fields/{index}", 2000)
    if block.get("accessory"):
        yield from _element(block["accessory"], f"{where}/accessory")


def _actions(block: dict[str, Any], where: str) -> Complaints:
    elements = block.get("elements")
    yield from _list(elements, f"{where}/elements", 25)
    if not isinstance(elements, list):
        return
    ids = [e.get("action_id") for e in elements if isinstance(e, dict)]
    yield from _unique(ids, "action_id", f"{where}/elements")
    for index, element in enumerate(elements):
        yield from _element(element, f"{where}/elements/{index}")


def _context(block: dict[str, Any], where: str) -> Complaints:
    elements = block.get("elements")
    yield from _list(elements, f"{where}/elements", 10)
    for index, element in enumerate(elements if isinstance(elements, list) else ()):
        at = f"{where}/elements/{index}"
        if isinstance(element, dict) and element.get("type") == "image":
            yield from _image(element, at)
        else:
            # A context's text is limited like a section's.
            yield from _text(element, at, 3000)


def _image(block: dict[str, Any], where: str) -> Complaints:
    if not block.get("alt_text"):
        yield _at("missing required field: alt_text", where)
    elif len(str(block["alt_text"])) > 2000:
        yield _at("must be less than 2001 characters", f"{where}/alt_text")
    url = str(block.get("image_url") or "")
    if not url and not block.get("slack_file"):
        yield _at("missing required field: image_url", where)
    elif len(url) > 3000:
        yield _at("must be less than 3001 characters", f"{where}/image_url")
    elif url and not url.startswith(("https://", "http://")):
        yield _at("must be a valid URL", f"{where}/image_url")
    if block.get("title"):
        yield from _text(block["title"], f"{where}/title", 2000, plain=True)


def _header(block: dict[str, Any], where: str) -> Complaints:
    yield from _text(block.get("text"), f"{where}/text", 150, plain=True)


def _markdown(block: dict[str, Any], where: str) -> Complaints:
    if not isinstance(block.get("text"), str) or not block["text"]:
        yield _at("missing required field: text", where)


def _rich_text(block: dict[str, Any], where: str) -> Complaints:
    yield from _list(block.get("elements"), f"{where}/elements", 1000)


def _table(block: dict[str, Any], where: str) -> Complaints:
    rows = block.get("rows")
    yield from _list(rows, f"{where}/rows", 100)
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        yield from _list(row, f"{where}/rows/{index}", 20)


def _anything(block: dict[str, Any], where: str) -> Complaints:
    yield from ()


_BLOCKS: dict[str, Callable[[dict[str, Any], str], Complaints]] = {
    "actions": _actions,
    "context": _context,
    "context_actions": _anything,
    "divider": _anything,
    "file": _anything,
    "header": _header,
    "image": _image,
    "input": _anything,
    "markdown": _markdown,
    "plan": _anything,
    "rich_text": _rich_text,
    "section": _section,
    "table": _table,
    "task_card": _anything,
    "video": _anything,
}


def _element(element: Any, where: str) -> Complaints:
    if not isinstance(element, dict):
        yield _at("must be an object", where)
        return
    if element.get("type") == "image":
        yield from _image(element, where)
        return
    if len(str(element.get("action_id", ""))) > 255:
        yield _at("must be less than 256 characters", f"{where}/action_id")
    if element.get("type") == "button":
        yield from _button(element, where)


def _button(element: dict[str, Any], where: str) -> Complaints:
    yield from _text(element.get("text"), f"{where}/text", 75, plain=True)
    if len(str(element.get("value", ""))) > 2000:
        yield _at("must be less than 2001 characters", f"{where}/value")
    if len(str(element.get("url", ""))) > 3000:
        yield _at("must be less than 3001 characters", f"{where}/url")
    if element.get("style") not in (None, "primary", "danger"):
        yield _at("must be one of: primary, danger", f"{where}/style")


def _text(value: Any, where: str, longest: int, *, plain: bool = False) -> Complaints:
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(value, dict) or value.get("type") not in kinds:
        yield _at("failed to match all allowed schemas", where)
        return
    content = value.get("text")
    if not isinstance(content, str) or not content:
        yield _at("must be more than 0 characters", f"{where}/text")
    elif len(content) > longest:
        yield _at(f"must be less than {longest + 1} characters", f"{where}/text")


def _list(value: Any, where: str, longest: int) -> Complaints:
    if not isinstance(value, list) or not value:
        yield _at("no fewer than 1 item allowed", where)
    elif len(value) > longest:
        yield _at(f"no more than {longest} items allowed", where)


def _unique(ids: list[Any], name: str, where: str = "/blocks") -> Complaints:
    given = [each for each in ids if each]
    for doubled in sorted({str(each) for each in given if given.count(each) > 1}):
        yield _at(f"`{name}` {doubled} already exists", where)


def _at(complaint: str, pointer: str) -> str:
    return f"{complaint} [json-pointer:{pointer}]"
