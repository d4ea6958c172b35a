"""Uploads over a bad line, at a real server: nothing is left of what breaks off, and nobody else waits for it."""

import http.client
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from portal.turns import THREADS
from tests.journeys import Lotproof, Shop, served

pytestmark = pytest.mark.slow

FORM = "Content-Type: multipart/form-data; boundary=b\r\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, str]]:
    """A running server with one process, and the cookie of somebody who is signed in."""
    folder = tmp_path_factory.mktemp("slow") / "var"
    said = Lotproof(folder).run("init", "--account", "Ada")
    password = re.search(r"Password +(\S+)", said.out)
    assert password is not None, said.error
    with served(folder) as running:
        yield running, signed_in(running, password[1])


def signed_in(shop: Shop, password: str) -> str:
    connection = http.client.HTTPConnection(urlsplit(shop.base).netloc, timeout=10)
    form = urlencode({"name": "Ada", "password": password})
    connection.request(
        "POST", "/console/sign-in", form, {"Content-Type": "application/x-www-form-urlencoded"}
    )
    answer = connection.getresponse()
    assert answer.status == 303, answer.read()
    cookie = answer.getheader("Set-Cookie", "")
    connection.close()
    return str(cookie).partition(";")[0]


def begin(shop: Shop, cookie: str, sent: int) -> socket.socket:
    """An upload that announces 8 MB and stops after `sent` bytes."""
    where = urlsplit(shop.base)
    assert where.hostname is not None
    assert where.port is not None
    line = socket.create_connection((where.hostname, where.port), timeout=10)
    head = f"POST /console/import HTTP/1.1\r\nHost: {where.netloc}\r\nCookie: {cookie}\r\n{FORM}"
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="serials.csv"\r\n\r\n'
    line.sendall(f"{head}Content-Length: 8000000\r\n\r\n{part}".encode() + b"serial\n" * (sent // 7))
    return line


def answers(shop: Shop) -> bool:
    with urllib.request.urlopen(f"{shop.base}/en/", timeout=5) as answer:
        return bool(answer.status == 200)


def on_disk(shop: Shop) -> set[Path]:
    return {one for one in (shop.folder / "files").rglob("*") if one.is_file()}


def test_whoever_hangs_up_in_the_middle_leaves_nothing(shop: tuple[Shop, str]) -> None:
    running, cookie = shop
    before = on_disk(running)
    for sent in (0, 700, 3_000_000):
        begin(running, cookie, sent).close()
    time.sleep(1.0)
    assert on_disk(running) == before
    assert answers(running)


def test_nobody_waits_for_those_who_send_slowly(shop: tuple[Shop, str]) -> None:
    running, cookie = shop
    with ExitStack() as lines:
        for _ in range(THREADS - 1):
            lines.enter_context(begin(running, cookie, 70_000))
        time.sleep(0.5)
        begun = time.monotonic()
        assert all(answers(running) for _ in range(5))
        assert time.monotonic() - begun < 5
    assert answers(running)


def test_a_length_beyond_the_limit_is_refused_before_it_is_sent(shop: tuple[Shop, str]) -> None:
    running, _ = shop
    connection = http.client.HTTPConnection(urlsplit(running.base).netloc, timeout=10)
    connection.putrequest("POST", "/console/sign-in")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(2_000_000_000))
    connection.endheaders(b"--b\r\n")
    assert connection.getresponse().status == 413
    connection.close()
