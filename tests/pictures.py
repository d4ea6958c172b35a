"""Pictures for tests: good ones of every kind, and what strangers may send instead of them."""

import io
import struct
import zipfile
import zlib

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

GPS_IFD, ORIENTATION, MAKER = 0x8825, 0x0112, 0x010F
SECRET = "Secret Maker 4711"  # in the EXIF of every picture made here that can hold one


def picture(kind: str = "JPEG", size: tuple[int, int] = (64, 48), mode: str = "RGB", **how: object) -> bytes:
    """A picture of a kind that Pillow writes: red, with a blue upper left quarter."""
    image = Image.new(mode, size, "red")
    image.paste(Image.new(mode, (size[0] // 2, size[1] // 2), "blue"), (0, 0))
    written = io.BytesIO()
    image.save(written, kind, **how)
    return written.getvalue()


def exif(*, orientation: int = 1) -> bytes:
    """Metadata as a telephone writes it: where and with what, and which way is up."""
    tags = Image.Exif()
    tags[MAKER] = SECRET
    tags[ORIENTATION] = orientation
    tags[GPS_IFD] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 17.0)}
    return tags.tobytes()


def claiming(width: int, height: int) -> bytes:
    """A PNG of 3 KB or so that says it is this large; what is in it is only zeros, and not enough of them."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(3_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def with_archive(content: bytes) -> bytes:
    """A ZIP behind the picture: both kinds of program open it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("run-me.txt", SECRET)
    return content + archive.getvalue()


def animation(kind: str, frames: int, size: tuple[int, int] = (16, 16)) -> bytes:
    """A picture that moves, first frame red."""
    shades = [Image.new("RGB", size, (255, number % 256, number // 256)) for number in range(frames)]
    written = io.BytesIO()
    shades[0].save(written, kind, save_all=True, append_images=shades[1:], lossless=True)
    return written.getvalue()


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
