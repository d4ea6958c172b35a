"""Which language a reader gets: the URL's, else the one they chose before, else what their browser asks for.

A language matches on what is spoken *and* on how it is written, once CLDR's likely subtags have filled in
what was left out: zh-TW is written in Hant, so it never gets zh-Hans; zh-CN does. What matches nothing
gets English.
"""

import functools
from collections.abc import Mapping

from babel.core import get_global

DEFAULT = "en"
LONGEST_HEADER = 1000  # characters; what stands further back is nobody's first choice


def choose(prefix: str | None, saved: str | None, accept_language: str, offered: tuple[str, ...]) -> str:
    """The tag in `offered` for this reader; English, or the first offered, when nothing fits."""
    for explicit in (prefix, saved):
        if explicit in offered:
            return explicit
    return _match(accept_language[:LONGEST_HEADER], offered)


@functools.lru_cache(maxsize=1024)
def _match(accept_language: str, offered: tuple[str, ...]) -> str:
    by_script = {likely(tag): tag for tag in reversed(offered)}
    written: dict[str, str] = {}  # the script of each language, as its most wanted variety is written
    for wanted in _by_preference(accept_language):
        language, script = likely(wanted)
        # Browsers add a bare "zh" behind "zh-TW": it still means Chinese as it is written in Taiwan.
        script = written.setdefault(language, script) if wanted.lower() == language else script
        written.setdefault(language, script)
        if (found := by_script.get((language, script))) is not None:
            return found
    return DEFAULT if DEFAULT in offered else offered[0]


def likely(tag: str) -> tuple[str, str]:
    """(language, script) of a BCP 47 tag after CLDR's likely subtags; "" for an unknown script."""
    language, *rest = tag.replace("_", "-").split("-")
    script = next((part.title() for part in rest if len(part) == 4 and part.isalpha()), "")
    region = next((part.upper() for part in rest if len(part) == 2 or part.isdigit()), "")
    language = language.lower()
    if script:
        return language, script
    subtags: Mapping[str, str] = get_global("likely_subtags")
    full = subtags.get(f"{language}_{region}") or subtags.get(language, "")
    return language, next((part for part in full.split("_")[1:] if len(part) == 4), "")


def _by_preference(accept_language: str) -> list[str]:
    """The tags of an Accept-Language header, most wanted first; refused (q=0) or broken ones left out."""
    weighed = []
    for item in accept_language.split(","):
        tag, _, parameter = item.strip().partition(";")
        if (weight := _weight(parameter)) > 0 and tag.strip():
            weighed.append((weight, tag.strip()))
    return [tag for _, tag in sorted(weighed, key=lambda pair: -pair[0])]


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if not name.strip():
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
