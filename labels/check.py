"""Every code is read back before a label leaves the house, and must say what is printed beside it."""

import zxingcpp
from PIL import Image

from labels.codes import QUIET_ZONE, Code
from labels.layout import LabelContent
from ledger.digital_link import parse
from ledger.errors import LedgerError

PIXELS_PER_MODULE = 3
QR_CODES = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


class LabelUnreadable(LedgerError):
    """A rendered code does not read as the address it should carry; the whole job stops."""

    message = "The label of {serial!r} reads {read!r} instead of {expected!r}. Nothing was printed."


class LabelContradictsItself(LedgerError):
    """The address in the code names another unit or batch than the words on the label."""

    message = "The label of {serial!r} carries the address {uri!r}, which names another number."


def check_words(content: LabelContent) -> None:
    """Raise LabelContradictsItself unless the address names the batch and serial that are printed."""
    link = parse(content.uri)
    is_batch_right = link.batch in (None, content.batch)
    is_number_right = (link.serial or link.batch) == content.number
    if not (is_batch_right and is_number_right):
        raise LabelContradictsItself(serial=content.number, uri=content.uri)


def check_picture(picture: Image.Image, content: LabelContent) -> None:
    """Raise LabelUnreadable unless the one code in `picture` reads as the label's address."""
    found = zxingcpp.read_barcodes(picture.convert("L"), formats=QR_CODES)
    _compare([barcode.text for barcode in found], content)


def check_code(packed: bytes, code: Code, content: LabelContent) -> None:
    """The same for the image data that goes into a PDF: `packed` rows of bits, 1 is dark. About 0.1 ms."""
    size, edge = code.size, code.size + 2 * QUIET_ZONE
    picture = Image.new("L", (edge, edge), 255)
    picture.paste(0, (QUIET_ZONE, QUIET_ZONE), Image.frombytes("1", (size, size), packed))
    large = picture.resize((edge * PIXELS_PER_MODULE, edge * PIXELS_PER_MODULE), Image.Resampling.NEAREST)
    found = zxingcpp.read_barcode(large, formats=QR_CODES, is_pure=True)
    _compare([found.text] if found else [], content)


def _compare(texts: list[str], content: LabelContent) -> None:
    if texts != [content.uri]:
        raise LabelUnreadable(serial=content.number, read=", ".join(texts), expected=content.uri)
