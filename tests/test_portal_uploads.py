"""Files sent to the portal: bounded while they arrive, judged by their content, kept as they came, shown drawn anew."""

import hashlib
import io
import os
import resource
import signal
import zipfile
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from PIL import Image
from werkzeug.test import TestResponse

from ledger.files import Files
from ledger.state import open_state
from ledger.trace.product import list_products
from portal.file_types import NoDocument, NoPicture, demand_document, type_of
from portal.pictures import ALONE, pictures
from portal.redrawing import PictureUnreadable
from portal.renditions import make_rendition, rendition_of, renditions
from portal.uploads import LARGEST_FILE_MEGABYTES, MEGABYTE, MOST_FILES, Keeper
from tests.faults import CHILDREN
from tests.pictures import SECRET, claiming, exif, picture, with_archive
from tests.staff import Browser, Desk, text_of
from tests.world import World

NOW = datetime(2025, 6, 1, tzinfo=UTC)
PRODUCT = {"brand": "Voltaro", "name": "Slim", "model": "VS", "code": "VS-10"}
REGISTER = "/console/record/product.register"
HTML = b"<html><script>alert(1)</script></html>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.fixture
def desk(world: World) -> Desk:
    made = Desk.of(world)
    made.app.register_blueprint(pictures)
    return made


def send_picture(browser: Browser, content: bytes, name: str = "front.jpg") -> TestResponse:
    return browser.send(REGISTER, **PRODUCT, picture=(io.BytesIO(content), name))


def send_large(browser: Browser, content: bytes) -> TestResponse:
    """The same, put together here: the test client would keep a large form in a file that it leaves open."""
    fields = {**browser.hidden(REGISTER), **PRODUCT}
    head = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n'
    parts = [f"--b\r\n{head.format(name, '')}{value}\r\n" for name, value in fields.items()]
    file = "--b\r\n" + head.format("picture", '; filename="a.jpg"')
    body = b"".join([*map(str.encode, parts), file.encode(), content, b"\r\n--b--\r\n"])
    return browser.client.post(
        REGISTER,
        data=body,
        content_type="multipart/form-data; boundary=b",
        headers={"Accept-Language": browser.language},
    )


def stored(desk: Desk) -> list[str]:
    """What lies in the files, whatever it is called."""
    folder = desk.world.ledger.files.folder
    return [str(one) for one in folder.rglob("*") if one.is_file()] if folder.exists() else []


# --- what is kept, what is shown


def test_a_telephones_photo_is_kept_as_it_came_and_shown_without_where_it_was_taken(desk: Desk) -> None:
    photo = picture("HEIF", (800, 600), exif=exif())
    browser = desk.signed_in()
    assert send_picture(browser, photo, "IMG_0001.HEIC").status_code == 303
    (product,) = desk.world.read(list_products)
    assert product.picture is not None
    assert desk.world.ledger.files.read(product.picture) == photo
    shown = browser.get(f"/pictures/{product.picture}")
    assert (shown.status_code, shown.content_type) == (200, "image/jpeg")
    assert SECRET.encode() not in shown.data
    image = Image.open(io.BytesIO(shown.data))
    assert (image.size, dict(image.getexif())) == ((800, 600), {})
    small = Image.open(io.BytesIO(browser.get(f"/pictures/{product.picture}/small").data))
    assert small.size == (480, 360)
    assert f"/pictures/{product.picture}/small" in browser.page(f"/console/products/{product.id}")


@pytest.mark.parametrize("behind", [HTML, b"PK\x03\x04 run-me"])
def test_what_stands_behind_a_picture_is_kept_as_evidence_and_never_shown(desk: Desk, behind: bytes) -> None:
    browser = desk.signed_in()
    assert send_picture(browser, picture("GIF") + behind).status_code == 303
    (product,) = desk.world.read(list_products)
    for size in ("", "/small"):
        assert behind not in browser.get(f"/pictures/{product.picture}{size}").data
    assert behind in browser.get(f"/console/files/{product.picture}").data


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (SVG, "no picture that we can take"),
        (HTML, "no picture that we can take"),
        (b"%PDF-1.7", "no picture that we can take"),
        (b"GIF89a" + HTML, "could not be read"),
        (picture("JPEG", (400, 400))[:-600], "could not be read"),
        (claiming(12_000, 12_000), "too many pixels: at most 50 million"),
    ],
)
def test_what_is_no_picture_is_refused_beside_its_field_and_leaves_nothing(
    desk: Desk, sent: bytes, why: str
) -> None:
    answer = send_picture(desk.signed_in(), sent, "photo.jpg")
    assert answer.status_code == 422
    assert why in text_of(answer)
    assert 'href="#picture"' in answer.text
    assert 'value="Voltaro"' in answer.text
    assert stored(desk) == []
    assert desk.world.read(list_products) == []


def test_a_document_cannot_be_named_as_a_picture_that_was_sent_before(desk: Desk) -> None:
    ref = desk.world.ledger.files.put(b"%PDF-1.7 a contract")
    answer = desk.signed_in().send(REGISTER, **PRODUCT, picture__kept=f"{ref.sha256}.{ref.size_bytes}")
    assert answer.status_code == 422
    assert desk.world.read(list_products) == []


def test_a_file_is_handed_out_as_a_download_that_can_run_nothing(desk: Desk) -> None:
    browser = desk.signed_in()
    for content, extension in (
        (SVG, "bin"),
        (b"%PDF-1.7", "pdf"),
        (picture("HEIF"), "heic"),
        (b"a,b\n", "txt"),
    ):
        sha256 = desk.world.ledger.files.put(content).sha256
        answer = browser.get(f"/console/files/{sha256}")
        name = f"{sha256[:16]}.{extension}"
        assert answer.data == content
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == (
            f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == ALONE


def test_stored_pictures_are_shown_drawn_anew_and_nothing_else_is(desk: Desk) -> None:
    browser, files = desk.signed_in(), desk.world.ledger.files
    photo = files.put(with_archive(picture("PNG", (600, 600)))).sha256
    shown = browser.get(f"/console/files/{photo}/display")
    assert (shown.status_code, shown.content_type) == (200, "image/jpeg")
    assert b"run-me" not in shown.data
    for sha256 in (files.put(SVG).sha256, files.put(b"%PDF-1.7").sha256, "0" * 64):
        browser.page(f"/console/files/{sha256}/display", status=404)
    browser.page(f"/console/files/{photo}/huge", status=404)
    assert browser.get(f"/pictures/{photo}").status_code == 404  # of no product, so not for everybody


def test_a_rendition_that_was_lost_is_made_again(desk: Desk) -> None:
    files, state = desk.world.ledger.files, desk.state
    original = files.put(picture("PNG")).sha256
    first = rendition_of(state, files, original, now=NOW)
    assert first is not None
    files.path(first.small).unlink()
    assert rendition_of(state, files, original, now=NOW) == first
    with state.begin() as connection:
        connection.execute(renditions.delete())
    assert rendition_of(state, files, original, now=NOW) == first


def test_what_cannot_be_shown_is_tried_once(desk: Desk) -> None:
    files, state = desk.world.ledger.files, desk.state
    broken = b"\xff\xd8\xff no picture"
    original = files.put(broken).sha256
    assert rendition_of(state, files, original, now=NOW) is None
    assert rendition_of(state, files, original, now=NOW + timedelta(days=1)) is None
    with state.connect() as connection:
        assert connection.scalar(renditions.select().with_only_columns(renditions.c.made_at)) == NOW
    with pytest.raises(PictureUnreadable):
        make_rendition(state, files, original, broken, now=NOW)


# --- documents


def office(*names: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (b"%PDF-1.7", "pdf"),
        (office("[Content_Types].xml", "xl/workbook.xml"), "xlsx"),
        (office("[Content_Types].xml", "word/document.xml"), "docx"),
        ("批号,数量\n".encode("gb18030"), "txt"),
        ("batch\n".encode("utf-16"), "txt"),
        (b"From: lab@mail.example\r\nSubject: results\r\n", "txt"),
        *(
            (picture(kind), "jpg" if kind == "JPEG" else kind.lower())
            for kind in ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
        ),
        (picture("HEIF"), "heic"),
    ],
)
def test_documents_are_told_by_their_content(content: bytes, extension: str) -> None:
    assert type_of(content).extension == extension
    demand_document(content)


@pytest.mark.parametrize(
    "content",
    [
        HTML,
        SVG,
        b"\xef\xbb\xbf  <!DOCTYPE html>",
        "<script>".encode("utf-16"),
        b"MZ\x90\0\x03",
        b"\x7fELF",
        office("run-me.exe"),
        office("xl/workbook.xml", "xl/vbaProject.bin"),
        office(*(f"{number}" for number in range(2_001)), "xl/workbook.xml"),
        b"PK\x03\x04 no archive",
        picture("TIFF"),
    ],
)
def test_everything_else_is_no_document(content: bytes) -> None:
    with pytest.raises(NoDocument):
        demand_document(content)


def test_the_form_says_which_files_are_taken(desk: Desk) -> None:
    page = desk.signed_in().page("/console/record/substitution.find")
    assert "at most 10 MB each, 20 files and 12 MB together" in text_of(page)
    assert 'accept="image/*,.heic' in page


def test_photos_among_the_evidence_are_shown_and_documents_handed_out(desk: Desk) -> None:
    desk.world.lot("SF-1", "4000 m")
    photo, report = picture("HEIF", (600, 600)), b"%PDF-1.7 a report"
    page = desk.signed_in().recorded(
        "substitution.find",
        code="SW-1",
        lots__0="SF-1",
        known="another film",
        effective_on="2025-05-01",
        statement="Found in the lab.",
        evidence=[(io.BytesIO(photo), "a.jpg"), (io.BytesIO(report), "b.pdf")],
    )
    shown, given = (hashlib.sha256(one).hexdigest() for one in (photo, report))
    assert f'src="/console/files/{shown}/small"' in page
    assert f'href="/console/files/{given}"' in page
    assert f"{given}/small" not in page


# --- bounds


def test_a_request_beyond_the_limit_is_refused_unread(desk: Desk) -> None:
    answer = send_large(desk.signed_in(), bytes(13 * 1024 * 1024))
    assert answer.status_code == 413
    assert "at most 12 MB" in text_of(answer)
    assert stored(desk) == []


def test_a_file_beyond_the_limit_is_refused_at_the_byte_too_many(desk: Desk) -> None:
    browser = desk.signed_in()
    answer = send_large(browser, b"\xff\xd8\xff" + bytes(LARGEST_FILE_MEGABYTES * MEGABYTE))
    assert answer.status_code == 413
    assert f"at most {LARGEST_FILE_MEGABYTES} MB" in text_of(answer)
    fits = b"%PDF-1.7".ljust(LARGEST_FILE_MEGABYTES * MEGABYTE)
    assert send_large(browser, fits).status_code == 422  # measured, and then found to be no picture
    assert stored(desk) == []


def test_too_many_files_are_refused(desk: Desk) -> None:
    browser = desk.signed_in()
    fields = browser.hidden(REGISTER)
    for count, status in ((200, 413), (MOST_FILES, 422)):
        files = [(io.BytesIO(b"no picture"), f"{number}.jpg") for number in range(count)]
        answer = browser.post(REGISTER, {**fields, **PRODUCT, "picture": files})
        assert answer.status_code == status, text_of(answer)
    assert stored(desk) == []


def test_files_are_taken_only_where_somebody_asks_for_them(desk: Desk) -> None:
    upload = {"name": "Ada", "password": "x", "file": (io.BytesIO(b"anything"), "a.txt")}
    answer = desk.browser().post("/console/sign-in", upload)
    assert answer.status_code == 413
    assert "Files are not taken here" in text_of(answer)


def test_what_a_crash_left_on_its_way_is_swept(tmp_path: Path) -> None:
    files = Files(tmp_path / "files")
    files.put(b"whole")
    left = files.folder / "incoming" / "0123"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    assert files.sweep(older_than=NOW) == 1
    assert not left.exists()


def _keep_without_room(folder: Path, told: Connection) -> None:
    """Keep a picture and a document where no file can grow, then where it can; tell what came of it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full disk: an error, not a signal
    state = open_state(folder / "state.db")
    keeper = Keeper(Files(folder / "files"), state, NOW)
    for room in (1_000, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        for content in (b"%PDF-1.7".ljust(50_000), picture("PNG", (300, 300))):
            try:
                told.send(keeper.keep(content, "document").size_bytes)
            except Exception as error:  # noqa: BLE001 - told, whatever it is
                told.send(type(error).__name__)
    state.dispose()


def test_a_full_disk_is_a_refusal_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    ours, theirs = CHILDREN.Pipe()
    process = CHILDREN.Process(target=_keep_without_room, args=(tmp_path, theirs), daemon=True)
    process.start()
    theirs.close()
    assert [ours.recv() for _ in range(4)] == ["NoRoom", "NoRoom", 50_000, len(picture("PNG", (300, 300)))]
    process.join(10)
    assert list((tmp_path / "files" / "incoming").iterdir()) == []


def test_a_picture_is_asked_for_by_name(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state.db")
    with pytest.raises(NoPicture):
        Keeper(Files(tmp_path / "files"), state, NOW).keep(b"%PDF-1.7", "picture")
    state.dispose()
