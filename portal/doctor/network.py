"""How others reach it: the name on labels, https, proxies, the port, mail."""

import errno
import http.client
import json
import re
import smtplib
import socket
import ssl
from ipaddress import ip_address

from portal.doctor.registry import Situation, Trouble, check
from portal.health import ALIVE

ADDRESS = "127.0.0.1"
PROXY = "Put a proxy with TLS in front, have it set X-Forwarded-For and X-Forwarded-Proto, and say so: "
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:]+)(?::(\d+))?")


def _host(situation: Situation) -> tuple[str, int | None]:
    """The name that labels point at, and its port where one is given."""
    match = _HOST.fullmatch(situation.settings.host)
    assert match is not None
    return match[1].strip("[]"), int(match[2]) if match[2] else None


def _is_here(name: str) -> bool:
    """Whether the name means this machine to whoever reads it."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


@check("host")
def host(situation: Situation) -> Trouble | None:
    """Labels point at a name that buyers can reach."""
    name, _ = _host(situation)
    if _is_here(name) and not situation.is_demo:
        return Trouble(
            f"Labels will point at {situation.settings.host}, which only this machine knows.",
            "Before the first label is printed, make the company under its own name: lotproof init --host lots.example",
        )
    return None


@check("proxies", needs=(host,))
def proxies(situation: Situation) -> Trouble | None:
    """`serve` listens on this machine alone, so where others reach it a proxy stands in front, and is known."""
    if situation.is_demo:
        return None
    name, _ = _host(situation)
    known = situation.settings.trusted_proxies
    if not _is_here(name) and known == 0:
        said = (
            "LOTPROOF_TRUSTED_PROXIES is 0: every reader seems to come from this machine, and counts as one."
        )
        return Trouble(said, f"{PROXY}LOTPROOF_TRUSTED_PROXIES=1")
    if _is_here(name) and known > 0:
        said = f"LOTPROOF_TRUSTED_PROXIES is {known}, but no proxy leads to {situation.settings.host}."
        return Trouble(said, "Unset it: otherwise whoever comes without a proxy may claim any address.")
    return None


@check("https", needs=(host,))
def https(situation: Situation) -> Trouble | None:
    """The name on labels answers over https, and it is we who do."""
    if situation.is_demo:
        return None
    name, port = _host(situation)
    secure = http.client.HTTPSConnection(
        name, port or 443, timeout=situation.timeout_seconds, context=ssl.create_default_context()
    )
    try:
        is_ours = _says_alive(secure)
    except (OSError, http.client.HTTPException) as error:
        said = f"https://{situation.settings.host}/ does not answer from here ({error})."
        return Trouble(said, f"{PROXY}LOTPROOF_TRUSTED_PROXIES=1. Its certificate must be valid.")
    if not is_ours:
        return Trouble(
            f"https://{situation.settings.host}/ answers, but it is not Lotproof.",
            f"Have the proxy lead to http://{ADDRESS}:{situation.port}/, and its name to this machine.",
        )
    return None


@check("port")
def port(situation: Situation) -> Trouble | None:
    """The port is free, or it is our server that listens there."""
    plain = http.client.HTTPConnection(ADDRESS, situation.port, timeout=situation.timeout_seconds)
    try:
        is_ours = _says_alive(plain)
    except OSError as error:
        # Somebody who listens and says nothing is no free port.
        is_ours = error.errno == errno.ECONNREFUSED
    except http.client.HTTPException:
        is_ours = False
    if not is_ours:
        return Trouble(
            f"Something else than Lotproof listens on port {situation.port}.",
            f"Stop it, or choose another: lotproof serve --port {situation.port + 80}",
        )
    return None


def _says_alive(connection: http.client.HTTPConnection) -> bool:
    """Whether Lotproof answers there. Raises OSError, HTTPException."""
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse().read(1_000)
    finally:
        connection.close()
    try:
        return bool(json.loads(answer) == ALIVE)
    except ValueError:
        return False


@check("mail")
def mail(situation: Situation) -> Trouble | None:
    """The mail server, where one is set, answers as one."""
    if situation.settings.smtp is None:
        return None
    name, number = situation.settings.smtp
    try:
        with smtplib.SMTP(name, number, timeout=situation.timeout_seconds) as server:
            server.ehlo_or_helo_if_needed()
    except (OSError, smtplib.SMTPException, socket.gaierror) as error:
        said = f"The mail server {name}:{number} does not answer ({error})."
        return Trouble(said, "Check LOTPROOF_SMTP, and whether a firewall lets it through.")
    return None
