"""The child process that decodes a stranger's picture: `python -I -m portal.decoding`, bytes in, bytes out.

Whoever starts it gives it a picture as its standard input, and finds in its standard output one line of JSON,

    {"kind": "image/jpeg", "width": 2560, "height": 1920, "sizes": [412345, 30211]}

and after it the two pictures made of it: one to look at, one small. Both are encoded anew, so nothing is left of the
original's bytes but its pixels: no metadata (where it was taken, with what), no second file behind the first.
The same picture gives the same bytes, as long as Pillow is the same.

It exits with TOO_LARGE for too many pixels, in any other way than 0 for what is no whole picture of a kind we take.
Whatever a decoder can be made to do, it does here: with bounded memory and time, with nothing in its environment, and
unable to open a file or a connection. Imports nothing of ours.
"""

import io
import json
import resource
import sys

import pillow_heif
from PIL import Image, ImageCms, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF")
MOST_PIXELS = 50_000_000  # telephones take 48 million
DISPLAY_PIXELS, SMALL_PIXELS = 2_560, 480  # of the longer side
JPEG_QUALITY = 85
MEMORY_BYTES = 640 * 1024 * 1024  # 48 million pixels take up to 510 MB
CPU_SECONDS = 10
MOST_BYTES = 48 * 1024 * 1024  # of what it may write: a PNG of 2,560 by 2,560 with noise in it takes 26 MB
TOO_LARGE = 3  # exit status


class TooManyPixels(Exception):
    """More of them than fit into our memory."""


def main() -> None:
    """Decode standard input to standard output."""
    pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
    Image.init()  # imports every decoder, while files can still be opened
    confine()
    try:
        made = redrawn(sys.stdin.buffer.read())
    except (TooManyPixels, MemoryError):
        sys.exit(TOO_LARGE)
    sys.stdout.buffer.write(made)


def confine() -> None:
    """Bound this process for the rest of its life.

    The three streams are open already: with a limit of three no file and no socket can be opened any more.
    """
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: MOST_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 3,
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def redrawn(content: bytes) -> bytes:
    """The line of JSON and the two pictures. Raises TooManyPixels, and whatever Pillow and its decoders raise."""
    display = plain(content)
    small = display.copy()
    small.thumbnail((SMALL_PIXELS, SMALL_PIXELS))
    made = [encoded(display), encoded(small)]
    head = {
        "kind": "image/png" if display.mode == "RGBA" else "image/jpeg",
        "width": display.width,
        "height": display.height,
        "sizes": [len(one) for one in made],
    }
    return b"".join([json.dumps(head).encode(), b"\n", *made])


def plain(content: bytes) -> Image.Image:
    """The first frame: upright, at most DISPLAY_PIXELS long, in sRGB, and nothing with it."""
    Image.MAX_IMAGE_PIXELS = None  # asked for below, where it is known what to say
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise TooManyPixels
        # A JPEG comes at a half, a quarter or an eighth of its size at once, where that is enough.
        opened.draft(None, (DISPLAY_PIXELS, DISPLAY_PIXELS))
        image = in_colour(opened)
        image.thumbnail((DISPLAY_PIXELS, DISPLAY_PIXELS))
        image = ImageOps.exif_transpose(in_srgb(image))
    image.info = {}
    return image


def in_colour(opened: Image.Image) -> Image.Image:
    """RGB, RGBA or CMYK, whatever it was before; itself where it is that, because a copy may take 200 MB."""
    if opened.mode in ("RGBA", "CMYK") or (opened.mode == "RGB" and not opened.has_transparency_data):
        return opened
    if opened.mode.startswith("I"):  # 16 bits of grey, which Pillow's own conversion would clip to white
        return opened.convert("I").point(lambda value: value / 256).convert("RGB")
    return opened.convert("RGBA" if opened.has_transparency_data else "RGB")


def in_srgb(image: Image.Image) -> Image.Image:
    """Its colours as a browser takes them that is told nothing; RGBA only where one can see through."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            mode = "RGBA" if image.mode == "RGBA" else "RGB"
            converted = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode=mode
            )
        except (ImageCms.PyCMSError, OSError):
            pass  # of another colour space, or broken: the picture is whole all the same
        else:
            assert converted is not None
            return converted
    return image.convert("RGB") if image.mode == "CMYK" else image


def encoded(image: Image.Image) -> bytes:
    """A PNG where one can see through, else a JPEG."""
    written = io.BytesIO()
    if image.mode == "RGBA":
        image.save(written, "PNG")
    else:
        image.save(written, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    return written.getvalue()


if __name__ == "__main__":
    main()
