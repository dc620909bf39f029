"""Files of every kind that people upload, sound and hostile, made as small as they can be."""

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence

LINE = 90  # characters
LEADING = 14

_CONTENT_TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/word/document.xml" ContentType=
"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"""
_RELATIONSHIPS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Target="word/document.xml" Type=
"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/>
</Relationships>"""
_STYLES = """<?xml version="1.0" encoding="UTF-8"?>
<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:style w:type="paragraph" w:styleId="T1"><w:name w:val="heading 1"/></w:style>
<w:style w:type="paragraph" w:styleId="T2"><w:name w:val="heading 2"/></w:style></w:styles>"""
_STYLE_LINK = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Target="styles.xml" Type=
"http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles"/></Relationships>"""
_BODY = """<?xml version="1.0" encoding="UTF-8"?>{prolog}
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:body>{paragraphs}</w:body></w:document>"""

_LAUGHS = "".join(
    f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else "ha"}{(f"&l{n - 1};" if n else "ha") * 9}">'
    for n in range(10)
)


def pdf(
    pages: Sequence[str],
    *,
    outline: Sequence[tuple[str, int]] = (),
    encrypted: bool = False,
    streams: Mapping[int, bytes] | None = None,
) -> bytes:
    """A PDF with one line of text a line. `streams` replaces pages' contents, `/…` header first."""
    objects: list[bytes] = [b"", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    page_ids = []
    for number, text in enumerate(pages):
        objects.append((streams or {}).get(number) or _stream(text))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]"
            b"/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>" % len(objects)
        )
        page_ids.append(len(objects))
    kids = b" ".join(b"%d 0 R" % one for one in page_ids)
    objects[1] = b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(pages), kids)
    first = _add_outline(objects, outline, page_ids)
    objects[0] = b"<</Type/Catalog/Pages 2 0 R%b>>" % (
        b"/Outlines %d 0 R" % first if first else b""
    )
    return _assembled(objects, encrypted)


def _stream(text: str) -> bytes:
    lines = b"".join(
        b"(%b)Tj T*\n" % line.encode("cp1252").replace(b"(", b"\\(").replace(b")", b"\\)")
        for line in text.split("\n")
    )
    return flate(b"BT /F 10 Tf %d TL 40 780 Td\n%bET" % (LEADING, lines))


def flate(content: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        content = zlib.compress(content, 9)
    names = b"/FlateDecode " * times
    return b"<</Length %d/Filter[%b]>>stream\n%b\nendstream" % (len(content), names, content)


def _add_outline(
    objects: list[bytes], outline: Sequence[tuple[str, int]], page_ids: Sequence[int]
) -> int:
    if not outline:
        return 0
    root = len(objects) + 1
    objects.append(
        b"<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>"
        % (root + 1, root + len(outline), len(outline))
    )
    for number, (title, page) in enumerate(outline, 1):
        following = b"/Next %d 0 R" % (root + number + 1) if number < len(outline) else b""
        objects.append(
            b"<</Title(%b)/Parent %d 0 R/Dest[%d 0 R/Fit]%b>>"
            % (title.encode("latin-1"), root, page_ids[page], following)
        )
    return root


def _assembled(objects: Sequence[bytes], encrypted: bool) -> bytes:
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    # A key that nobody has a password for is as good as a real one.
    lock = (
        b"/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%b>/U<%b>>>"
        % (b"ab" * 32, b"cd" * 32)
        if encrypted
        else b""
    )
    out += b"trailer<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        lock,
        start,
    )
    return bytes(out)


def docx(paragraphs: Sequence[tuple[int, str]], *, prolog: str = "") -> bytes:
    """A DOCX of (heading level or 0, text)."""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="T{level}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for level, text in paragraphs
    )
    return archive({"word/document.xml": _BODY.format(prolog=prolog, paragraphs=body)})


def laughing_docx() -> bytes:
    """Ten entities, each ten of the one before: 10 GB of laughter."""
    return docx([(0, "&l9;")], prolog=f"<!DOCTYPE w:document [{_LAUGHS}]>")


def archive(members: Mapping[str, str | bytes]) -> bytes:
    """A DOCX's archive with these members besides, or instead of, the usual ones."""
    usual: dict[str, str | bytes] = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _RELATIONSHIPS,
        "word/styles.xml": _STYLES,
        "word/_rels/document.xml.rels": _STYLE_LINK,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, content in (usual | dict(members)).items():
            packed.writestr(name, content)
    return out.getvalue()


def faq(pairs: int) -> bytes:
    """A CSV of questions and answers, no two alike."""
    rows = [
        f'"How do I keep habit number {n}?","Tie habit {n} to a cue, then do step {n % 97} daily."'
        for n in range(pairs)
    ]
    return "\n".join(["question,answer", *rows]).encode()


def book(pages: int) -> bytes:
    """A PDF with full pages, a chapter every ten of them."""
    line = "Page {p}, line {n}: small steps taken daily become habits that hold for years to come."
    texts = [
        "\n".join(
            [f"Chapter {p // 10 + 1}"] * (p % 10 == 0)
            + [line.format(p=p + 1, n=n) for n in range(40)]
        )
        for p in range(pages)
    ]
    return pdf(texts, outline=[(f"Chapter {p // 10 + 1}", p) for p in range(0, pages, 10)])
