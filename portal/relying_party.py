"""To whom passkeys are bound: the installation's name, and the addresses at which browsers may use them."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ledger.errors import LedgerError

DEMO = ".example"  # RFC 2606: no browser ever finds such a host; the demo's is one, and is looked at on this machine
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class PasskeysNeedAName(LedgerError):
    """The host of this installation is an IP address or a single word: browsers bind no passkey to that."""

    message = (
        "Passkeys are bound to a host's full name, and this installation is called {host}. Use a code from an app, "
        "or install Lotproof under a name such as lots.example."
    )


class PasskeysElsewhere(LedgerError):
    """The page was opened under another address than the installation's own."""

    message = "Passkeys are bound to the address {address}. Open the console there to use them."


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The name that passkeys are bound to, and where a browser must have been to use one."""

    id: str
    origins: tuple[str, ...]


def relying_party(host: str, asked_at: str) -> RelyingParty:
    """The same for a page asked for at `asked_at` (the Host header); `host` is LOTPROOF_HOST.

    On this machine itself any port will do and no TLS is needed, as browsers have it.
    Raises PasskeysNeedAName or PasskeysElsewhere.
    """
    name, asked = _name(host), _name(asked_at)
    if name.endswith(DEMO) and asked in LOOPBACK:
        name = "localhost"
    is_here = name == "localhost" or name.endswith(".localhost")
    if not (is_here or "." in name) or _is_ip(name):
        raise PasskeysNeedAName(host=host)
    if asked != name:
        port = asked_at.rpartition(":")[2]
        is_port = is_here and port.isdecimal()
        here = f"http://{name}:{port}" if is_port else f"http://{name}"
        raise PasskeysElsewhere(address=here if is_here else f"https://{host}")
    secure = f"https://{host.removesuffix(':443')}"
    return RelyingParty(name, (f"http://{asked_at.lower()}",) if is_here else (secure,))


def _name(host: str) -> str:
    """`lots.example` of `lots.example:8443`, "" for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
