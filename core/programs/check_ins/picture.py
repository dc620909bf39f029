"""Draw the last four weeks of somebody's goals as a PNG: a small calendar each. Pure.

It holds figures and no words: whoever gets hold of its address reads nobody's goals, and it needs
no font for any language. The text beside it names the goals by the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from io import BytesIO
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from core.programs.check_ins.streaks import monday_of

WEEKS, DAYS = 4, 7
MOST_GOALS = 4

Mark = Literal["kept", "short"]


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """One goal: its days that were answered, and the figures beside them."""

    marks: Mapping[date, Mark]
    streak: int
    this_week: int
    days_per_week: int
    since: date | None = None  # days before it are left pale


# --- measures in pixels, colours

_WIDTH, _EDGE, _GAP = 720, 24, 8
_CELL_WIDTH, _CELL_HEIGHT = 64, 44
_LEFT = _WIDTH - _EDGE - DAYS * (_CELL_WIDTH + _GAP) + _GAP
_CARD = WEEKS * (_CELL_HEIGHT + _GAP) - _GAP
_BETWEEN = 28  # two goals
_SCALE = 2  # drawn larger and made smaller: round corners without steps
_WHITE, _INK, _PALE_INK, _LINE = "#ffffff", "#1f2937", "#9aa3ad", "#e3e7eb"
_FILL: Mapping[str, str] = {"kept": "#1f7a54", "short": "#f2c14e", "none": "#e9edf0"}
_TEXT: Mapping[str, str] = {"kept": _WHITE, "short": _INK, "none": "#5b6672"}
_ACCENT = "#1f7a54"


def draw(calendars: Sequence[Calendar], today: date) -> bytes:
    """A PNG of at most 4 goals, in their order."""
    shown = calendars[:MOST_GOALS] or [
        Calendar(marks={}, streak=0, this_week=0, days_per_week=DAYS)
    ]
    height = 2 * _EDGE + len(shown) * _CARD + (len(shown) - 1) * _BETWEEN
    image = Image.new("RGB", (_WIDTH * _SCALE, height * _SCALE), _WHITE)
    canvas = _Canvas(image)
    for index, calendar in enumerate(shown):
        top = _EDGE + index * (_CARD + _BETWEEN)
        _draw_figures(canvas, top, index + 1, calendar)
        _draw_days(canvas, top, calendar, today)
    file = BytesIO()
    # Few colours: a palette makes it a quarter of the size.
    small = image.resize((_WIDTH, height), Image.Resampling.LANCZOS)
    small.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()


class _Canvas:
    """Draws in pixels of the finished picture."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)

    def box(
        self, left: float, top: float, width: float, height: float, fill: str, outline: str = ""
    ) -> None:
        corners = [n * _SCALE for n in (left, top, left + width, top + height)]
        self._draw.rounded_rectangle(
            corners, radius=10 * _SCALE, fill=fill, outline=outline or None, width=3 * _SCALE
        )

    def text(self, x: float, y: float, text: str, size: int, fill: str, anchor: str = "mm") -> None:
        font = _font(size * _SCALE)
        self._draw.text((x * _SCALE, y * _SCALE), text, font=font, fill=fill, anchor=anchor)


@lru_cache(maxsize=8)
def _font(size: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    return ImageFont.load_default(size)


def _draw_figures(canvas: _Canvas, top: float, number: int, calendar: Calendar) -> None:
    """The goal's number, the days of its streak, and those of this week."""
    canvas.text(_EDGE, top + 14, f"{number}.", 24, _PALE_INK, "lm")
    middle = _EDGE + (_LEFT - _EDGE - 2 * _GAP) / 2
    canvas.text(middle, top + _CARD / 2 - 12, str(calendar.streak), 68, _ACCENT)
    week = f"{calendar.this_week} / {calendar.days_per_week}"
    canvas.text(middle, top + _CARD - 36, week, 26, _INK)


def _draw_days(canvas: _Canvas, top: float, calendar: Calendar, today: date) -> None:
    first = monday_of(today) - timedelta(weeks=WEEKS - 1)
    for n in range(WEEKS * DAYS):
        day = first + timedelta(days=n)
        left = _LEFT + (n % DAYS) * (_CELL_WIDTH + _GAP)
        cell_top = top + (n // DAYS) * (_CELL_HEIGHT + _GAP)
        fill, ink = _colours(calendar, day, today)
        outline = _INK if day == today else (_LINE if fill == _WHITE else "")
        canvas.box(left, cell_top, _CELL_WIDTH, _CELL_HEIGHT, fill, outline)
        middle = left + _CELL_WIDTH / 2, cell_top + _CELL_HEIGHT / 2
        canvas.text(*middle, str(day.day), 20, ink)


def _colours(calendar: Calendar, day: date, today: date) -> tuple[str, str]:
    """(of the cell, of its figure)."""
    if mark := calendar.marks.get(day):
        return _FILL[mark], _TEXT[mark]
    is_before = calendar.since is not None and day < calendar.since
    if day >= today or is_before:
        return _WHITE, _PALE_INK
    return _FILL["none"], _TEXT["none"]
