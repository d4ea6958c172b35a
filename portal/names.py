"""Names of staff: each lies in the vault, encrypted under its person's own key. Knows no web.

`state.db` holds the item's id and a keyed digest, by which a name that somebody types is found; the log names the item
and commits to the value. So neither gives a name away, and erasing the person erases it everywhere.
"""

import hashlib
import hmac
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ledger.errors import LedgerError
from ledger.journal.opening import Ledger
from ledger.people.account import SealedName
from ledger.recall.retention import Kind
from ledger.vault.vault import ItemDamaged, UnknownItem, Vault, WrongMasterKey

MAX_NAME_CHARACTERS = 80
KEPT_SECONDS = 60.0  # so long another process may still show the name of somebody who was erased
KIND: Kind = "staff_name"
# ZWNJ and ZWJ: Persian and several Indian scripts write names with them. In the digest they don't count.
JOINERS = "\u200c\u200d"


class InvalidAccountName(LedgerError):
    """A name that cannot be shown or told from others."""

    message = "An account's name has 1 to 80 visible characters, without line breaks or control characters."


@dataclass(frozen=True, slots=True)
class KeptName:
    """A name that lies in the vault by now: its text, by what it is found, and what the log says of it."""

    text: str
    digest: str
    sealed: SealedName


@dataclass(slots=True)
class Names:
    """The names in a vault; `key` (32 bytes) makes their digests."""

    vault: Vault = field(repr=False)
    key: bytes = field(repr=False)
    _read: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)
    _items: tuple[float, dict[str, str]] = field(default=(0.0, {}), repr=False)

    @classmethod
    def of(cls, ledger: Ledger) -> "Names":
        """The names of a ledger's staff. The key is derived, so that nothing more has to be kept."""
        return cls(ledger.vault, hmac.digest(ledger.keys.links, b"names of accounts", "sha256"))

    def keep(self, text: str, *, now: datetime) -> KeptName:
        """Put a name into the vault, about a new person; swept where no entry comes to name it.

        Raises InvalidAccountName.
        """
        text = shown(text)
        kept = self.vault.put(None, KIND, {"name": text}, now=now)
        return KeptName(text, self.digest(text), SealedName(kept.person, kept.item, kept.commitment))

    def digest(self, text: str) -> str:
        """The same for names that nobody could tell apart; gives nothing away without the key."""
        return hmac.new(self.key, folded(text).encode(), hashlib.sha256).hexdigest()

    def read(self, item: str) -> str:
        """The name in an item of the vault; "" for one that was erased or does not open. Kept for KEPT_SECONDS.

        No access is written down: colleagues' names stand on every page that staff see. So an item of another kind,
        a buyer's, is none.
        """
        until, text = self._read.get(item, (0.0, ""))
        if until < time.monotonic():
            try:
                text = str(self.vault.read(item, kind=KIND)["name"])
            except (
                UnknownItem,
                ItemDamaged,
                WrongMasterKey,
            ):  # a page goes on with the account's id; an audit tells
                text = ""
            self._read[item] = (time.monotonic() + KEPT_SECONDS, text)
        return text

    def behind(self, actor: str, find_items: Callable[[], dict[str, str]]) -> str:
        """The name behind an actor; "" for one who is no account, or was erased.

        `find_items` gives all items by actor, and is asked once in KEPT_SECONDS, or for an account that is new.
        """
        until, items = self._items
        if until < time.monotonic():
            until, items = time.monotonic() + KEPT_SECONDS, {}
        if actor.startswith("account:") and actor not in items:
            items = {**items, actor: "", **find_items()}
        self._items = (until, items)
        item = items.get(actor, "")
        return self.read(item) if item else ""


def shown(text: str) -> str:
    """The name as it is shown: NFC, without white space around it. Raises InvalidAccountName."""
    text = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(text) <= MAX_NAME_CHARACTERS or not folded(text):
        raise InvalidAccountName()
    if any(_is_hidden(character) and character not in JOINERS for character in text):
        raise InvalidAccountName()
    return text


def folded(text: str) -> str:
    """What must differ between two names: neither case, nor width, nor what cannot be seen."""
    again = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(character for character in again if not _is_hidden(character)).strip()


def _is_hidden(character: str) -> bool:
    """Control, format, surrogate, private and unassigned characters, line and paragraph separators."""
    return unicodedata.category(character)[0] == "C" or unicodedata.category(character) in ("Zl", "Zp")
