"""The machine: Python, what was installed, folders, disk, time zones, fonts."""

import os
import re
import stat
import zoneinfo
from importlib import metadata
from pathlib import Path

from ledger.durable import is_private
from ledger.location import Postgres
from portal.doctor.registry import Situation, Trouble, check

OLDEST_PYTHON = (3, 11)
PINNED = re.compile(r"^([\w.-]+)==([\w.!+-]+)( ; .+?)?(?: \\)?$", re.MULTILINE)
OUR_FONTS = ("NotoSans", "NotoSansArabic", "NotoSansHebrew", "NotoSansSymbols")
WEIGHTS = ("Regular", "Bold")


@check("python")
def python(situation: Situation) -> Trouble | None:
    """New enough."""
    if situation.python < OLDEST_PYTHON:
        said = f"This is Python {'.'.join(map(str, situation.python))}."
        return Trouble(said, "Install 3.11 or newer, then: make setup")
    return None


@check("packages")
def packages(situation: Situation) -> Trouble | None:
    """What is installed is what was tested."""
    if not situation.lock.exists():
        return None  # installed from a package, which says itself what it needs
    wrong = [
        f"{name} {found or 'missing'} instead of {version}"
        for name, version, only_where in PINNED.findall(situation.lock.read_text())
        if not only_where and (found := _version(name)) != version
    ]
    if wrong:
        return Trouble(f"Other packages than those that were tested: {', '.join(wrong)}.", "Run: make setup")
    return None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@check("folder")
def folder(situation: Situation) -> Trouble | None:
    """The folder is there, ours, and closed to others; so is everything secret in it."""
    settings = situation.settings
    if not settings.data.is_dir():
        return Trouble(f"There is no folder {settings.data}.", "Set LOTPROOF_DATA, or: lotproof init")
    if not os.access(settings.data, os.R_OK | os.W_OK | os.X_OK):
        return Trouble(
            f"We may not write in {settings.data}.", f"Run as its owner, or: chown -R USER {settings.data}"
        )
    open_ones = [one for one in (settings.data, *_secret(situation)) if not is_private(one.stat().st_mode)]
    if open_ones:
        names = " ".join(map(str, open_ones))
        return Trouble(f"Others on this machine may read {names}.", f"Close it: chmod go-rwx {names}")
    return None


def _secret(situation: Situation) -> list[Path]:
    """The folder of keys, the files in it, and a master key that lies elsewhere."""
    settings = situation.settings
    found = [settings.keys, *sorted(settings.keys.glob("*"))] if settings.keys.is_dir() else []
    elsewhere = settings.master_key_file
    return [*found, elsewhere] if elsewhere is not None and elsewhere.exists() else found


@check("files", needs=(folder,))
def files(situation: Situation) -> Trouble | None:
    """state.db, vault.db and the log can be read and written by whoever runs this, and by nobody else."""
    settings = situation.settings
    for place in (settings.ledger_db, settings.state_db, settings.vault_db):
        if isinstance(place, Postgres) or place is None or not place.exists():
            continue
        if not os.access(place, os.R_OK | os.W_OK):
            return Trouble(f"We may not write {place}.", f"Run as its owner, or: chown USER {place}")
        if place.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return Trouble(f"Others on this machine may write {place}.", f"Close it: chmod go-w {place}")
    return None


@check("disk", needs=(folder,))
def disk(situation: Situation) -> Trouble | None:
    """Room for data, and names left for files."""
    found = os.statvfs(situation.settings.data)
    free = found.f_bavail * found.f_frsize
    if free < situation.least_free_bytes:
        said = f"{free // 1024**2} MB are free where {situation.settings.data} lies."
        return Trouble(said, f"Make room: at least {situation.least_free_bytes // 1024**2} MB.")
    # Some file systems make inodes as they need them, and say 0 of 0.
    if found.f_files and found.f_favail < situation.least_free_inodes:
        said = f"{found.f_favail} inodes are free where {situation.settings.data} lies, however much room there is."
        return Trouble(said, "Remove small files that nobody needs, or make a file system with more inodes.")
    return None


@check("time zones")
def time_zones(situation: Situation) -> Trouble | None:
    """Pages show times in the seller's zone and in the readers'."""
    missing = [name for name in situation.zones if not _has_zone(name)]
    if missing:
        return Trouble(
            f"Time zones are missing: {', '.join(missing)}.", "Install the system's package tzdata."
        )
    return None


def _has_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo.no_cache(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return False
    return True


@check("fonts")
def fonts(situation: Situation) -> Trouble | None:
    """Without them labels cannot be drawn."""
    names = ["DejaVuSansMono-Bold.ttf", *(f"{one}-{weight}.ttf" for one in OUR_FONTS for weight in WEIGHTS)]
    missing = [name for name in names if not (situation.fonts / name).is_file()]
    if missing:
        said = f"Fonts for labels are missing in {situation.fonts}: {', '.join(missing)}."
        return Trouble(said, "Install this version of Lotproof again.")
    return None
