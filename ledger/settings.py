"""Where an installation keeps its things and what it is called: read once, at start.

    LOTPROOF_DATA             folder for everything, by default `var`
    LOTPROOF_HOST             the name that labels point at, by default `localhost:8000`
    LOTPROOF_ORIGIN           the log's name, by default HOST + `/log`
    LOTPROOF_LOG_ENTRIES      who may read entries: `token` (auditors, by default) or `open` (everyone)
    LOTPROOF_TRUSTED_PROXIES  how many proxies stand in front and add to X-Forwarded-For, by default 0
    LOTPROOF_MASTER_KEY_FILE  the master key's file, by default `keys/master.key`
    LOTPROOF_WEBHOOKS_INSIDE  `yes` where webhooks may lead to this machine and its network
    LOTPROOF_DATABASE_URL     a PostgreSQL database; without it, files of SQLite's in LOTPROOF_DATA
    LOTPROOF_OWNER_URL        the same database for the role that owns its tables: for `init` and `migrate`
    LOTPROOF_LOG              how the processes log: `json`, `text`, `off`, or `auto` (by default: text for a terminal)
    LOTPROOF_METRICS_TOKEN    opens /metrics to whoever shows it; without it there is no such page
    LOTPROOF_SMTP             the server that mail goes out by, as `host:port`; only `lotproof doctor` reads it so far

`init` fixes host and origin in `settings.json`: a label printed with another host leads nowhere, and a
checkpoint under another origin belongs to another log. So a command started without the environment of
the server still says the same, and one that contradicts it is refused.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from ledger.database import exists
from ledger.durable import PRIVATE_FOLDER, is_private, sync_folder, write_new
from ledger.errors import LedgerError
from ledger.location import Location, Postgres, parse_database_url

LogEntries = Literal["token", "open"]
LogForm = Literal["auto", "json", "text", "off"]

DEFAULT_DATA = "var"
DEFAULT_HOST = "localhost:8000"
DEFAULT_LOG_ENTRIES = "token"
MAX_ORIGIN_BYTES = 255  # C2SP tlog-mirror gives the origin's length in one byte
MAX_PROXIES = 9
_METRICS_TOKEN = re.compile(r"[!-~]{16,200}")
_SMTP = re.compile(r"([A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):([1-9][0-9]{0,4})")

_HOST = re.compile(r"(?:[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*|\[[0-9a-f:.]{2,45}\])(?::([1-9][0-9]{0,4}))?")
_ORIGIN = re.compile(r"[A-Za-z0-9.\-_~:\[\]%/]+")


class InvalidHost(LedgerError):
    """LOTPROOF_HOST is no host."""

    message = (
        "LOTPROOF_HOST is {value!r}. Give a host name alone, such as lots.example or localhost:8000, "
        "without https:// and without a path."
    )


class InvalidOrigin(LedgerError):
    """LOTPROOF_ORIGIN cannot name a log."""

    message = (
        "LOTPROOF_ORIGIN is {value!r}. Give an address without https://, such as lots.example/log: "
        "at most 255 letters, digits, dots, hyphens and slashes, no space and no plus."
    )


class InvalidLogEntries(LedgerError):
    """LOTPROOF_LOG_ENTRIES is neither of its two words."""

    message = (
        "LOTPROOF_LOG_ENTRIES is {value!r}. Give token (only auditors with a token read entries) "
        "or open (everyone does)."
    )


class InvalidTrustedProxies(LedgerError):
    """LOTPROOF_TRUSTED_PROXIES is no small number."""

    message = (
        "LOTPROOF_TRUSTED_PROXIES is {value!r}. Give the number of your own proxies in front, from 0 to 9."
    )


class InvalidLogForm(LedgerError):
    """LOTPROOF_LOG is none of its words."""

    message = "LOTPROOF_LOG is {value!r}. Give json, text, off or auto (text for a terminal, JSON otherwise)."


class InvalidMetricsToken(LedgerError):
    """LOTPROOF_METRICS_TOKEN is easily guessed; the value is not shown, because it is a secret."""

    message = (
        "LOTPROOF_METRICS_TOKEN is too short or holds spaces. Give 16 to 200 letters, digits and signs, such as what "
        "openssl rand -hex 16 prints. Leave it empty to have no /metrics."
    )


class InvalidSmtp(LedgerError):
    """LOTPROOF_SMTP is no host with a port."""

    message = "LOTPROOF_SMTP is {value!r}. Give host and port of your mail server, such as mail.example:587."


class SettingsConflict(LedgerError):
    """The environment says otherwise than what `init` fixed."""

    message = (
        "{name} is {value!r}, but {path} was set up with {fixed!r}. Unset {name}, or give it that value. "
        "For a new log under another name, choose a new folder with LOTPROOF_DATA."
    )


class LedgerElsewhere(LedgerError):
    """The ledger of this folder is in PostgreSQL, and the address is not set."""

    message = (
        "The ledger of {path} is in PostgreSQL, and LOTPROOF_DATABASE_URL is not set. "
        "Set it to the address of that database."
    )


class SettingsUnreadable(LedgerError):
    """settings.json is not what `init` wrote."""

    message = "{path} cannot be read ({reason}). Put it back from a backup."


class DataFolderTooOpen(LedgerError):
    """Others on this machine may look into the folder of keys and personal data."""

    message = "Others on this machine may read {path}. Close it first: chmod 700 {path}"


class _Fixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """settings.json."""

    host: str
    log_entries: LogEntries
    origin: str
    mirror_of: str | None = None
    database: Literal["postgresql"] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment and settings.json say; the paths follow from `data`."""

    data: Path
    host: str = DEFAULT_HOST
    origin: str = f"{DEFAULT_HOST}/log"
    log_entries: LogEntries = "token"
    trusted_proxies: int = 0
    webhooks_inside: bool = False
    master_key_file: Path | None = None  # None: `keys/master.key`
    database_url: str | None = field(default=None, repr=False)  # None: files; it may hold a password
    owner_url: str | None = field(default=None, repr=False)  # None: one role owns and runs
    mirror_of: str | None = None  # the key of a log that is only copied here; None: a ledger of our own
    moved_to: Literal["postgresql"] | None = None  # where `init` or `log move` put it; None: files
    log_form: LogForm = "auto"
    metrics_token: str | None = field(default=None, repr=False)  # None: no /metrics
    smtp: tuple[str, int] | None = None  # None: no mail

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of this process. A variable that is empty counts as not set.

        Raises an Invalid… error, SettingsConflict or SettingsUnreadable, each saying what to do.
        """
        data = Path(environ.get("LOTPROOF_DATA") or DEFAULT_DATA).expanduser().absolute()
        fixed = _read_fixed(data / "settings.json")
        host = _host(environ.get("LOTPROOF_HOST") or (fixed.host if fixed else DEFAULT_HOST))
        origin = _origin(environ.get("LOTPROOF_ORIGIN") or (fixed.origin if fixed else f"{host}/log"))
        log_entries = environ.get("LOTPROOF_LOG_ENTRIES") or (
            fixed.log_entries if fixed else DEFAULT_LOG_ENTRIES
        )
        master_key_file = environ.get("LOTPROOF_MASTER_KEY_FILE")
        settings = cls(
            data=data,
            host=host,
            origin=origin,
            log_entries=_log_entries(log_entries),
            webhooks_inside=environ.get("LOTPROOF_WEBHOOKS_INSIDE") == "yes",
            trusted_proxies=_trusted_proxies(environ.get("LOTPROOF_TRUSTED_PROXIES") or "0"),
            master_key_file=Path(master_key_file).expanduser().absolute() if master_key_file else None,
            database_url=_database_url("LOTPROOF_DATABASE_URL", environ),
            owner_url=_database_url("LOTPROOF_OWNER_URL", environ),
            mirror_of=fixed.mirror_of if fixed else None,
            moved_to=fixed.database if fixed else None,
            log_form=_log_form(environ.get("LOTPROOF_LOG") or "auto"),
            metrics_token=_metrics_token(environ.get("LOTPROOF_METRICS_TOKEN")),
            smtp=_smtp(environ.get("LOTPROOF_SMTP")),
        )
        settings._refuse_conflict(fixed)
        if settings.moved_to is not None and settings.database_url is None:
            raise LedgerElsewhere(path=data)
        return settings

    @property
    def settings_json(self) -> Path:
        """What `init` fixed."""
        return self.data / "settings.json"

    @property
    def ledger_db(self) -> Location:
        """The log and what is derived from it."""
        return self._database("ledger", "lotproof.db")

    @property
    def state_db(self) -> Location:
        """Secrets of accounts, sessions, leases: no evidence."""
        return self._database("state", "state.db")

    @property
    def vault_db(self) -> Location:
        """Personal data, encrypted."""
        return self._database("vault", "vault.db")

    @property
    def has_ledger(self) -> bool:
        """Whether somebody made a ledger here. Raises DatabaseUnreachable."""
        # The owner's eyes, where there are any: of what a crash left half made, the runner may see nothing.
        return exists(self.as_owner().ledger_db, "log_entries")

    def as_owner(self) -> "Settings":
        """The same for the role that owns the tables, where there is one of its own."""
        return replace(self, database_url=self.owner_url or self.database_url)

    @property
    def guard(self) -> Path:
        """The last published checkpoint, outside the database."""
        return self.data / "guard"

    @property
    def keys(self) -> Path:
        """The seller's keys."""
        return self.data / "keys"

    @property
    def files(self) -> Path:
        """Content-addressed files."""
        return self.data / "files"

    @property
    def demo_json(self) -> Path:
        """What the demonstration world made, for those who show it."""
        return self.data / "demo.json"

    def prepare(self) -> None:
        """Create the data folder with mode 0700, or close one that is still empty.

        Raises DataFolderTooOpen for a folder with something in it: we did not make it, so we don't change it.
        """
        self.data.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if is_private(self.data.stat().st_mode):
            return
        if any(self.data.iterdir()):
            raise DataFolderTooOpen(path=self.data)
        self.data.chmod(PRIVATE_FOLDER)

    def init(self) -> None:
        """Create the data folder and fix host and origin. A second time changes nothing.

        Raises SettingsConflict where they were fixed otherwise.
        """
        self.prepare()
        fixed = replace(self, moved_to="postgresql") if self.database_url else self
        try:
            write_new(self.settings_json, fixed._fixed())
        except FileExistsError:
            self._refuse_conflict(_read_fixed(self.settings_json))
        sync_folder(self.data)

    def check_origin(self, origin: str) -> None:
        """Raise InvalidOrigin for what cannot name a log."""
        _origin(origin)

    def rename(self, origin: str) -> "Settings":
        """Fix another origin, as `log succeed` does; host and labels stay. Durable when this returns."""
        renamed = replace(self, origin=_origin(origin))
        renamed.rewrite()
        return renamed

    def rewrite(self) -> None:
        """Fix what these settings say in place of what was fixed. Durable when this returns."""
        fresh = self.data / "settings.json.new"
        fresh.unlink(missing_ok=True)
        write_new(fresh, self._fixed())
        fresh.rename(self.settings_json)
        sync_folder(self.data)

    def _fixed(self) -> bytes:
        fixed = _Fixed(
            host=self.host,
            log_entries=self.log_entries,
            origin=self.origin,
            mirror_of=self.mirror_of,
            database=self.moved_to,
        )
        return msgspec.json.format(msgspec.json.encode(fixed), indent=2) + b"\n"

    def _database(self, schema: str, file: str) -> Location:
        return Postgres(self.database_url, schema) if self.database_url else self.data / file

    def _refuse_conflict(self, fixed: _Fixed | None) -> None:
        if fixed is None:
            return
        for name, value, was in (
            ("LOTPROOF_HOST", self.host, fixed.host),
            ("LOTPROOF_ORIGIN", self.origin, fixed.origin),
        ):
            if value != was:
                raise SettingsConflict(name=name, value=value, fixed=was, path=self.data)


def _read_fixed(path: Path) -> _Fixed | None:
    """What `init` wrote, or None where nobody has called it yet."""
    try:
        fixed = msgspec.json.decode(path.read_bytes(), type=_Fixed)
        _host(fixed.host)
        _origin(fixed.origin)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, LedgerError) as error:
        raise SettingsUnreadable(path=path, reason=error) from error
    return fixed


def _host(value: str) -> str:
    """`value` in lower case. Raises InvalidHost."""
    host = value.lower()
    match = _HOST.fullmatch(host)
    if match is None or int(match[1] or 443) > 65_535:
        raise InvalidHost(value=value)
    return host


def _origin(value: str) -> str:
    """`value`, which also names the log's key (C2SP signed-note: no space, no plus). Raises InvalidOrigin."""
    if not _ORIGIN.fullmatch(value) or len(value) > MAX_ORIGIN_BYTES or "://" in value:
        raise InvalidOrigin(value=value)
    return value


def _log_entries(value: str) -> LogEntries:
    if value not in get_args(LogEntries):
        raise InvalidLogEntries(value=value)
    return cast(LogEntries, value)


def _log_form(value: str) -> LogForm:
    if value not in get_args(LogForm):
        raise InvalidLogForm(value=value)
    return cast(LogForm, value)


def _metrics_token(value: str | None) -> str | None:
    if value and not _METRICS_TOKEN.fullmatch(value):
        raise InvalidMetricsToken()
    return value or None


def _smtp(value: str | None) -> tuple[str, int] | None:
    match = _SMTP.fullmatch(value or "")
    if value and (match is None or int(match[2]) > 65_535):
        raise InvalidSmtp(value=value)
    return (match[1].strip("[]"), int(match[2])) if match else None


def _trusted_proxies(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or int(value) > MAX_PROXIES:
        raise InvalidTrustedProxies(value=value)
    return int(value)


def _database_url(name: str, environ: Mapping[str, str]) -> str | None:
    value = environ.get(name)
    return parse_database_url(name, value) if value else None
