"""portal.redrawing and portal.decoding: what comes of a stranger's picture, and what never comes of it."""

import io
import sys
import time

import pytest
from PIL import Image

from portal.decoding import MOST_PIXELS
from portal.file_types import NoPicture
from portal.redrawing import PictureTooLarge, PictureUnreadable, Redrawn, redraw
from tests.pictures import SECRET, animation, claiming, exif, picture, with_archive

HTML = b"<script>alert(1)</script>"
RED, BLUE = (254, 0, 0), (0, 0, 254)


def shown(made: Redrawn) -> Image.Image:
    """The picture to look at."""
    return Image.open(io.BytesIO(made.display))


def is_like(found: object, wanted: tuple[int, int, int]) -> bool:
    """Whether a pixel is of this colour, as near as JPEG keeps it."""
    assert isinstance(found, tuple)
    return all(abs(one - other) < 12 for one, other in zip(found, wanted, strict=False))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF"])
def test_a_picture_of_each_kind_becomes_two_jpegs(kind: str) -> None:
    made = redraw(picture(kind, (600, 300)))
    assert (made.kind, made.width, made.height) == ("image/jpeg", 600, 300)
    image = shown(made)
    assert (image.format, image.size) == ("JPEG", (600, 300))
    assert is_like(image.getpixel((20, 20)), BLUE)
    assert is_like(image.getpixel((590, 290)), RED)
    assert Image.open(io.BytesIO(made.small)).size == (480, 240)


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert redraw(picture("PNG")) == redraw(picture("PNG"))


def test_a_large_picture_is_shown_smaller() -> None:
    made = redraw(picture("JPEG", (4_000, 3_000)))
    assert (made.width, made.height) == (2_560, 1_920)
    assert Image.open(io.BytesIO(made.small)).size == (480, 360)


def test_where_one_can_see_through_it_stays_so() -> None:
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    written = io.BytesIO()
    image.save(written, "PNG")
    made = redraw(written.getvalue())
    assert made.kind == "image/png"
    assert shown(made).getpixel((5, 5)) == (255, 0, 0, 0)
    assert redraw(picture("PNG", mode="RGBA")).kind == "image/jpeg"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_no_metadata_is_left(kind: str) -> None:
    sent = picture(kind, exif=exif())
    assert SECRET.encode() in sent
    made = redraw(sent)
    for left in (made.display, made.small):
        image = Image.open(io.BytesIO(left))
        assert not image.getexif()
        assert not {"exif", "icc_profile", "comment", "xmp"} & image.info.keys()
        assert SECRET.encode() not in left
        assert b"Exif" not in left


def test_comments_and_texts_are_not_taken_over() -> None:
    for sent in (picture("JPEG", comment=HTML), picture("GIF", comment=HTML)):
        assert HTML in sent
        assert HTML not in redraw(sent).display


def test_a_picture_taken_sideways_stands_upright() -> None:
    made = redraw(picture("JPEG", (60, 40), exif=exif(orientation=6)))
    assert (made.width, made.height) == (40, 60)
    assert is_like(shown(made).getpixel((35, 5)), BLUE)


def test_colours_of_another_space_are_turned_into_srgb() -> None:
    cmyk = picture("JPEG", mode="CMYK")
    made = redraw(cmyk)
    assert shown(made).mode == "RGB"
    broken = redraw(picture("PNG", icc_profile=b"no profile"))
    assert is_like(shown(broken).getpixel((60, 40)), RED)


def test_grey_of_sixteen_bits_is_not_clipped_to_white() -> None:
    image = Image.new("I;16", (32, 32), 0x8000)
    written = io.BytesIO()
    image.save(written, "PNG")
    assert is_like(shown(redraw(written.getvalue())).getpixel((5, 5)), (128, 128, 128))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_a_picture_that_moves_the_first_frame_is_shown(kind: str) -> None:
    begun = time.monotonic()
    made = redraw(animation(kind, 500))
    assert is_like(shown(made).getpixel((5, 5)), RED)
    assert getattr(shown(made), "n_frames", 1) == 1
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_second_file_behind_the_picture_is_left_out(kind: str) -> None:
    for sent in (with_archive(picture(kind)), picture(kind) + HTML):
        made = redraw(sent)
        for left in (made.display, made.small):
            assert not any(one in left for one in (b"PK\x03\x04", b"run-me", HTML, SECRET.encode()))


@pytest.mark.parametrize("side", [12_000, 50_000])
def test_a_small_file_that_claims_to_be_huge_is_refused(side: int) -> None:
    sent = claiming(side, side)
    assert len(sent) < 4_000
    with pytest.raises(PictureTooLarge, match="50 million"):
        redraw(sent)


@pytest.mark.slow
def test_as_many_pixels_as_telephones_take_are_read() -> None:
    made = redraw(picture("PNG", (8_064, 6_048), compress_level=1))
    assert (made.width, made.height) == (2_560, 1_920)


def test_a_page_of_a_gif_as_large_as_a_field_is_refused() -> None:
    small = picture("GIF")
    with pytest.raises(PictureTooLarge):
        redraw(small[:6] + b"\xff\xff\xff\xff" + small[10:])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF"])
def test_half_a_picture_is_refused(kind: str) -> None:
    whole = animation("GIF", 1, (600, 600)) if kind == "GIF" else picture(kind, (600, 600))
    with pytest.raises(PictureUnreadable):
        redraw(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        HTML,
        picture("TIFF"),
        picture("BMP"),
        picture("ICO"),
        b"%!PS-Adobe-3.0 EPSF-3.0",
    ],
)
def test_what_is_no_picture_that_we_take_is_refused(sent: bytes) -> None:
    with pytest.raises(NoPicture):
        redraw(sent)


@pytest.mark.parametrize("start", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP"])
def test_a_page_that_begins_like_a_picture_is_refused(start: bytes) -> None:
    with pytest.raises(PictureUnreadable):
        redraw(start + HTML * 40)


def test_another_kind_behind_a_pictures_beginning_is_not_decoded() -> None:
    with pytest.raises(PictureUnreadable):
        redraw(b"\xff\xd8\xff" + picture("TIFF"))


def child(program: str) -> tuple[str, ...]:
    """A child of our own that confines itself as the decoder does, and then does this instead."""
    return (
        sys.executable,
        "-I",
        "-c",
        f"import os, socket, sys, time; from portal import decoding; decoding.confine(); {program}",
    )


@pytest.mark.parametrize(
    "program",
    [
        "len(bytearray(1_000_000_000))",
        "open('/dev/null')",
        "socket.socket()",
        "print('x' * 60_000_000)",
        "os.kill(os.getpid(), 11)",
        'print(\'{"kind": "image/svg+xml", "width": 1, "height": 1, "sizes": [1, 1]}\\nab\', end=\'\')',
        'print(\'{"kind": "image/png", "width": 1, "height": 1, "sizes": [1, 9]}\\nab\', end=\'\')',
        "print('not JSON')",
        "pass",
    ],
)
def test_a_child_that_was_taken_over_gets_nothing_and_gives_nothing(program: str) -> None:
    with pytest.raises(PictureUnreadable):
        redraw(picture(), decoder=child(program))


def test_a_child_that_does_what_it_should_is_believed() -> None:
    said = '{"kind": "image/png", "width": 1, "height": 1, "sizes": [1, 1]}'
    made = redraw(picture(), decoder=child(f"sys.stdout.write({said!r} + chr(10) + 'ab')"))
    assert (made.display, made.small) == (b"a", b"b")


def test_a_child_has_no_environment_of_ours() -> None:
    program = "sys.exit(0 if 'HOME' in os.environ or 'PATH' in os.environ else 3)"
    with pytest.raises(PictureTooLarge):  # what exit status 3 says
        redraw(picture(), decoder=child(program))


def test_a_child_that_never_ends_is_ended() -> None:
    begun = time.monotonic()
    with pytest.raises(PictureUnreadable):
        redraw(picture(), decoder=child("time.sleep(60)"), seconds=1.0)
    assert time.monotonic() - begun < 10


@pytest.mark.slow
def test_a_child_that_works_too_long_is_ended_by_the_kernel() -> None:
    with pytest.raises(PictureUnreadable):
        redraw(picture(), decoder=child("[None for _ in iter(int, 1)]"))


def test_the_limit_of_pixels_is_above_what_telephones_take() -> None:
    assert 48_771_072 < MOST_PIXELS < 12_000 * 12_000
