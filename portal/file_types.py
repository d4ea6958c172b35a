"""What a file is, by its content: neither its name nor what the browser called it counts.

>>> type_of(b"%PDF-1.7 and so on").extension
'pdf'
>>> type_of(b"<svg xmlns='http://www.w3.org/2000/svg'/>").extension
'bin'
"""

import io
import re
import zipfile
from dataclasses import dataclass

from ledger.errors import LedgerError


@dataclass(frozen=True, slots=True)
class FileType:
    """A kind of file: how its name ends, and whether it is a picture or a document that we take."""

    extension: str
    is_picture: bool = False
    is_document: bool = False


PDF = FileType("pdf", is_document=True)
TEXT = FileType("txt", is_document=True)
UNKNOWN = FileType("bin")
PICTURES = {
    re.compile(rb"\xff\xd8\xff"): FileType("jpg", is_picture=True),
    re.compile(rb"\x89PNG\r\n\x1a\n"): FileType("png", is_picture=True),
    re.compile(rb"GIF8[79]a"): FileType("gif", is_picture=True),
    re.compile(rb"RIFF....WEBP", re.DOTALL): FileType("webp", is_picture=True),
    # ISO/IEC 23008-12, annex B, and AV1 Image File Format, section 6.
    re.compile(rb"....ftypavi[fs]", re.DOTALL): FileType("avif", is_picture=True),
    re.compile(rb"....ftyp(?:he[ivx][cmsx]|mif1|msf1)", re.DOTALL): FileType("heic", is_picture=True),
}
OFFICE = {"xl/workbook.xml": "xlsx", "word/document.xml": "docx"}
MACROS = "vbaProject.bin"
MOST_PARTS = 2_000  # of an office file
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MARKUP = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class NoPicture(LedgerError):
    """Another kind of file where a picture is asked for."""

    message = (
        "This file is no picture that we can take. Choose a photo as your camera made it: JPEG, PNG, WebP, GIF, "
        "HEIC or AVIF."
    )


class NoDocument(LedgerError):
    """A kind of file that is not kept as evidence."""

    message = (
        "Files of this kind are not taken. Choose a PDF, a picture, a spreadsheet (XLSX), a document (DOCX) without "
        "macros, or plain text such as CSV."
    )


def type_of(content: bytes) -> FileType:
    """What the content is; UNKNOWN for everything that we do not take, HTML and SVG among it."""
    for begins, picture in PICTURES.items():
        if begins.match(content):
            return picture
    if content.startswith(b"%PDF-"):
        return PDF
    if content.startswith(b"PK\x03\x04"):
        return _office_type(content)
    return TEXT if _is_text(content) else UNKNOWN


def demand_picture(content: bytes) -> None:
    """Raise NoPicture unless it begins like one; whether it is one, only decoding tells."""
    if not type_of(content).is_picture:
        raise NoPicture()


def demand_document(content: bytes) -> None:
    """Raise NoDocument unless it is a document or a picture."""
    found = type_of(content)
    if not (found.is_document or found.is_picture):
        raise NoDocument()


def _office_type(content: bytes) -> FileType:
    """What a ZIP is by the names in it; nothing is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return UNKNOWN
    if len(names) > MOST_PARTS or any(name.endswith(MACROS) for name in names):
        return UNKNOWN
    found = [extension for part, extension in OFFICE.items() if part in names]
    return FileType(found[0], is_document=True) if found else UNKNOWN


def _is_text(content: bytes) -> bool:
    """Text of any encoding, and no markup that a browser could take for a page."""
    if content.startswith(_UTF16):
        content = content.decode("utf-16", "replace").encode()
    return not _NO_TEXT.search(content) and not _MARKUP.match(content)
