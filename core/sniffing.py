"""What a file really is, by its first bytes; whatever isn't known here is just bytes.

The signatures are those of https://mimesniff.spec.whatwg.org/ and of the formats' own documents.
What is served is one of these types or `application/octet-stream`: nothing that a browser runs.
"""

import codecs
import mimetypes

HEAD_BYTES = 2048
UNKNOWN = "application/octet-stream"

# (offset, bytes there, type), the more particular first.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
# Brands of ISO base media files; all others of them are taken for video.
_BRANDS = {
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"avif": "image/avif",
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
    b"3gp6": "video/3gpp",
}
_CONTROLS = frozenset(map(chr, (*range(32), 127))) - frozenset("\t\n\r\f")


def sniff(head: bytes) -> str:
    """The media type of a file that begins with `head` (2,048 bytes are plenty)."""
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if _is_mpeg_audio(head):
        return "audio/mpeg"
    return "text/plain" if _is_text(head) else UNKNOWN


def suffix_of(media_type: str) -> str:
    """How names of such files end; empty when nothing is known of it."""
    return "" if media_type == UNKNOWN else mimetypes.guess_extension(media_type) or ""


def _is_mpeg_audio(head: bytes) -> bool:
    """A frame of layers I to III begins the file: eleven bits of sync, then no reserved value."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4
    return version != 1 and layer != 0 and rate not in (0, 15)


def _is_text(head: bytes) -> bool:
    is_whole = len(head) < HEAD_BYTES  # else the last character may be cut in the middle
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=is_whole)
    except UnicodeDecodeError:
        return False
    return bool(text) and not any(char in _CONTROLS for char in text)
