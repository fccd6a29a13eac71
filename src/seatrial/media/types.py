"""What a file is by its first bytes: the pictures and videos that are taken, and names for what is not.

In: the first HEAD_BYTES. Out: a media type, or None. Sources: the PNG specification, 5.2; JPEG (ITU T.81), B.1.1.3;
GIF89a, 17; RFC 9649 (WebP), 2; ISO/IEC 14496-12, 4.3 (`ftyp`); RFC 8794 (EBML), 8; ISO/IEC 13818-1, 2.4.3 and 2.5.3.
"""

from __future__ import annotations

HEAD_BYTES = 512
"""As many first bytes as tell what a file is."""

PICTURE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""The pictures that requests and workloads may hold: what every model with vision takes."""

_STILL_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis"})
_NAMES = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BM", "a BMP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"version https://git-lfs", "a pointer of Git LFS (`git lfs pull` brings the file)"),
    (b"<svg", "an SVG"),
    (b"<?xml", "XML"),
    (b"<", "a web page, or XML"),
)


def picture_type(head: bytes) -> str | None:
    """The one of PICTURE_TYPES that a file begins as. None: not one."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def still_type(head: bytes) -> str | None:
    """The same of pictures that are no videos: a GIF may be animated."""
    found = picture_type(head)
    return None if found == "image/gif" else found


def video_type(head: bytes) -> str | None:
    """The media type of a video container, None where it is none that is known."""
    if head[4:8] == b"ftyp" and head[8:12] not in _STILL_BRANDS:
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "video/x-msvideo"
    if head.startswith(b"\x00\x00\x01\xba"):
        return "video/mpeg"
    if head.startswith(b"OggS"):
        return "video/ogg"
    if head[:1] == head[188:189] == head[376:377] == b"G":
        return "video/mp2t"
    return None


def what_it_is(head: bytes) -> str:
    """What a file that is not taken seems to be, for a message."""
    known = picture_type(head) or video_type(head)
    if known is not None:
        return known
    if head[4:8] == b"ftyp":
        return "a HEIC or AVIF picture"
    name = next((name for start, name in _NAMES if head.lstrip().startswith(start)), None)
    if name is None:
        name = "text" if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head) else "something else"
    return name
