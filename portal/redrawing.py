"""Pictures drawn anew by a child process (`portal.decoding`): what comes back is all that may be shown of them.

A picture of 12 million pixels takes about 0.8 s and 300 MB at most, one of 48 million 2 s and 510 MB; of a small one
0.12 s is what starting the child takes.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ledger.errors import LedgerError
from portal.decoding import MOST_BYTES, MOST_PIXELS, TOO_LARGE
from portal.file_types import demand_picture

WALL_SECONDS = 20.0
DECODER = (
    sys.executable,
    "-I",
    "-m",
    "portal.decoding",
)  # -I: nothing of the environment, no folder of anybody's


class PictureUnreadable(LedgerError):
    """The bytes begin like a picture, and are none, or not a whole one."""

    message = "This picture could not be read. Open it to see whether it is whole, or take it anew."


class PictureTooLarge(LedgerError):
    """More pixels than we decode."""

    message = "This picture has too many pixels: at most {millions} million fit. Make it smaller, then choose it again."

    def __init__(self) -> None:
        super().__init__(millions=MOST_PIXELS // 1_000_000)


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child says of the two pictures that it made."""

    kind: str
    width: int
    height: int
    sizes: tuple[int, int]


class Redrawn(msgspec.Struct, frozen=True):
    """A picture as it may be shown: JPEG or PNG, upright, in sRGB, nothing in it but pixels."""

    kind: str
    width: int
    height: int
    display: bytes  # at most 2,560 pixels long
    small: bytes  # at most 480


def redraw(content: bytes, *, decoder: tuple[str, ...] = DECODER, seconds: float = WALL_SECONDS) -> Redrawn:
    """The picture drawn anew. Raises NoPicture, PictureUnreadable or PictureTooLarge; whatever the bytes do to a
    decoder, they do to the child alone.
    """
    demand_picture(content)
    with _in_memory(content) as given, _in_memory(b"") as made:
        status = _decode(decoder, given, made, seconds)
        if status == TOO_LARGE:
            raise PictureTooLarge()
        if status != 0:
            raise PictureUnreadable()
        return _read(os.pread(made, MOST_BYTES, 0))


def _decode(decoder: tuple[str, ...], given: int, made: int, seconds: float) -> int:
    """The child's exit status. It gets no environment, and of what we have open two files in memory alone."""
    with subprocess.Popen(
        decoder, stdin=given, stdout=made, stderr=subprocess.DEVNULL, env={}, cwd="/", start_new_session=True
    ) as child:
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _read(made: bytes) -> Redrawn:
    """What the child wrote, believed only as far as it fits."""
    line, _, pictures = made.partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=Head)
    except msgspec.MsgspecError as error:
        raise PictureUnreadable() from error
    display, small = pictures[: head.sizes[0]], pictures[head.sizes[0] :]
    if head.kind not in ("image/jpeg", "image/png") or (len(display), len(small)) != head.sizes:
        raise PictureUnreadable()
    return Redrawn(kind=head.kind, width=head.width, height=head.height, display=display, small=small)


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A file that is on no disk: what a buyer photographed lies nowhere in clear, and the child's limit on the size
    of files bounds what it can make us read.
    """
    descriptor = os.memfd_create("picture")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
