"""HTML to Markdown: headings, lists and tables stay; navigation, scripts and hidden parts go."""

import re

from bs4 import BeautifulSoup, Tag
from bs4.dammit import EncodingDetector
from markdownify import MarkdownConverter

from core.rag.reading.plain import decode
from core.rag.reading.result import HTML, Reading

_DROPPED = (
    "script, style, noscript, template, svg, iframe, object, nav, footer, button, select,"
    ' [hidden], [aria-hidden="true"]'
)
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")
_CONVERTER = MarkdownConverter(
    heading_style="ATX",
    bullets="-",
    # The text is quoted as it stands: no address, no backslash before a sign.
    strip=["a", "img"],
    escape_asterisks=False,
    escape_underscores=False,
    escape_misc=False,
)


def read(data: bytes, encoding: str = "") -> Reading:
    declared = encoding or EncodingDetector.find_declared_encoding(data, is_html=True) or ""
    soup = BeautifulSoup(decode(data, declared), "lxml")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    return Reading(text=markdown(soup), media_type=HTML, title=title)


def markdown(soup: BeautifulSoup) -> str:
    """The text of a page, of its main part where it says which that is."""
    body = soup.find("main") or soup.body or soup
    assert isinstance(body, Tag)  # noqa: S101 - what is searched by name is an element
    for element in body.select(_DROPPED):
        element.extract()
    for element in body.find_all(style=_UNSEEN):
        element.extract()
    text: str = _CONVERTER.convert_soup(body)
    return _BLANK_LINES.sub("\n\n", text).strip()
