"""DOCX to Markdown, by way of HTML: Word's headings become headings.

The parser below takes XML entities as they come: the child makes all of them be refused before.
"""

import io
import zipfile
import zlib

import mammoth
from bs4 import BeautifulSoup
from defusedxml.common import DefusedXmlException

from core.rag.reading.html import markdown
from core.rag.reading.limits import MAX_DECODED_BYTES
from core.rag.reading.result import DOCX, Reading, refused

_MAX_MEMBERS = 5000
_PIECE = 65_536
_BODY = "word/document.xml"
_IS_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4, bit 0


def read(data: bytes) -> Reading:
    try:
        _check(data)
        html = mammoth.convert_to_html(io.BytesIO(data), convert_image=_no_image).value
    except DefusedXmlException as error:
        raise refused("too_complex") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise refused("unreadable_document") from error
    return Reading(text=markdown(BeautifulSoup(html, "lxml")), media_type=DOCX)


def _no_image(_image: object) -> list[object]:
    return []


def _check(data: bytes) -> None:
    """Refuse an archive that unpacks to too much: by what it says, and by what it does."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if _BODY not in archive.namelist():
            raise refused("unsupported_media_type")
        if any(member.flag_bits & _IS_ENCRYPTED for member in members):
            raise refused("encrypted")
        declared = sum(member.file_size for member in members)
        if len(members) > _MAX_MEMBERS or declared > MAX_DECODED_BYTES:
            raise refused("too_complex")
        _unpack(archive, members)


def _unpack(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    left = MAX_DECODED_BYTES
    for member in members:
        with archive.open(member) as unpacked:
            while piece := unpacked.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    raise refused("too_complex")
