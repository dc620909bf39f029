"""Text that spreadsheets take for no formula, and back."""

# A cell that begins so is run as a formula when the file is opened; their wide forms too.
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARK = "'"


def defused(text: str) -> str:
    """Marked where it begins like a formula, or like one that is marked: `restored` undoes it."""
    return _MARK + text if text.lstrip(_MARK).startswith(_FORMULA) else text


def restored(text: str) -> str:
    """What was written before it was marked, by us or by a careful hand: `'+14155550100`."""
    is_marked = text.startswith(_MARK) and text.lstrip(_MARK).startswith(_FORMULA)
    return text.removeprefix(_MARK) if is_marked else text
