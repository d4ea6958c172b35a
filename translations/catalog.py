"""Languages and their catalogues: found in folders, checked whole before the first word is said.

English is the reference: a domain's messages are those of `en/<domain>.po`, whose translations are empty
because the msgid is the text. Every other language that offers the domain must have them all, with the same
placeholders, none fuzzy, in as many plural forms as CLDR has for it.
"""

import functools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from gettext import c2py
from pathlib import Path
from string import Formatter
from typing import Literal

from babel import Locale
from babel.messages import Catalog, Message
from babel.messages.pofile import read_po

HERE = Path(__file__).parent
REFERENCE = "en"
CATEGORIES = ("zero", "one", "two", "few", "many", "other")
# CLDR's rules and gettext's header are compared on these: every form of every language shows up below 200.
SAMPLES = (*range(201), 1_000, 1_000_000)

Key = tuple[str | None, str]  # context, msgid


class IncompleteCatalogue(Exception):
    """A language cannot be offered as it stands; names the language, the domain and the msgid."""

    def __init__(self, language: str, domain: str, msgid: str, why: str) -> None:
        super().__init__(f"translations/{language}/{domain}.po: {why}: {msgid!r}")
        self.language, self.domain, self.msgid, self.why = language, domain, msgid, why


@dataclass(frozen=True, slots=True)
class Language:
    """One language: what its `language.toml` says, and the domains it offers."""

    tag: str  # BCP 47, the folder's name and the URL's first part
    name: str  # in itself
    direction: Literal["ltr", "rtl"]
    locale: Locale
    plural_forms: str  # gettext's header
    domains: frozenset[str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The compiled messages of one language and domain; `forms` has one text, or one a plural form."""

    language: Language
    domain: str
    forms: Mapping[Key, tuple[str, ...]]
    form_of: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Catalogues:
    """All languages and all their catalogues."""

    languages: Mapping[str, Language]
    by_tag: Mapping[tuple[str, str], Catalogue]

    def offering(self, domain: str) -> tuple[Language, ...]:
        """The languages that have the domain, English first, then by tag."""
        offered = [language for language in self.languages.values() if domain in language.domains]
        return tuple(sorted(offered, key=lambda language: (language.tag != REFERENCE, language.tag)))


@functools.cache
def catalogues() -> Catalogues:
    """The catalogues of this installation. Reads and checks all of them once, about 50 ms a language."""
    return load(HERE)


def load(root: Path) -> Catalogues:
    """The catalogues in the folders below `root`. Raises IncompleteCatalogue."""
    languages = {language.tag: language for language in map(read_language, sorted(_folders(root)))}
    by_tag = {}
    for language in languages.values():
        for domain in sorted(language.domains):
            reference = read_domain(root, REFERENCE, domain)
            messages = read_domain(root, language.tag, domain)
            by_tag[language.tag, domain] = _compile(language, domain, messages, reference)
    return Catalogues(languages, by_tag)


def read_domain(root: Path, tag: str, domain: str) -> Catalog:
    """The .po file as Babel reads it. Its header's plural rule is not used: language.toml has it."""
    with (root / tag / f"{domain}.po").open("rb") as file:
        return read_po(file, domain=domain, abort_invalid=True)


def placeholders(text: str) -> frozenset[str]:
    """The names in braces: `{count}` gives count. Raises ValueError for a lone brace."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def _folders(root: Path) -> list[Path]:
    return [path.parent for path in root.glob("*/language.toml")]


def read_language(folder: Path) -> Language:
    """What a folder's language.toml says. Raises IncompleteCatalogue where CLDR says otherwise."""
    about = tomllib.loads((folder / "language.toml").read_text(encoding="utf-8"))
    locale = Locale.parse(about["locale"])
    if locale.text_direction != about["direction"]:
        raise IncompleteCatalogue(folder.name, "language", about["direction"], "CLDR writes the other way")
    _check_plural_forms(folder.name, locale, about["plural_forms"])
    domains = frozenset(path.stem for path in folder.glob("*.po"))
    return Language(folder.name, about["name"], about["direction"], locale, about["plural_forms"], domains)


def _check_plural_forms(tag: str, locale: Locale, header: str) -> None:
    """The header must give CLDR's form for every sample: a wrong rule reads as a wrong number."""
    count, form_of = parse_plural_forms(header)
    used = [name for name in CATEGORIES if name in {*locale.plural_form.tags, "other"}]
    if count != len(used):
        raise IncompleteCatalogue(tag, "language", header, f"CLDR has {len(used)} plural forms")
    for number in SAMPLES:
        if used[form_of(number)] != locale.plural_form(number):
            raise IncompleteCatalogue(tag, "language", header, f"CLDR has another form for {number}")


def parse_plural_forms(header: str) -> tuple[int, Callable[[int], int]]:
    """(number of forms, the form of a count) of a gettext header `nplurals=…; plural=…;`."""
    count, _, rule = header.partition(";")
    form_of = c2py(rule.strip().removeprefix("plural=").rstrip("; "))
    return int(count.strip().removeprefix("nplurals=")), form_of


def _compile(language: Language, domain: str, messages: Catalog, reference: Catalog) -> Catalogue:
    count, form_of = parse_plural_forms(language.plural_forms)
    is_reference = language.tag == REFERENCE
    forms = {}
    for source in reference:
        if source.id:
            message = messages.get(_msgid(source), source.context)
            forms[source.context, _msgid(source)] = (
                _ids(source) if is_reference else _translated(language.tag, domain, source, message, count)
            )
    _refuse_stale(language.tag, domain, messages, forms)
    return Catalogue(language, domain, forms, form_of)


def _translated(
    tag: str, domain: str, source: Message, message: Message | None, plural_forms: int
) -> tuple[str, ...]:
    """The texts of one message, checked against its English source."""
    msgid = _msgid(source)
    if message is None:
        raise IncompleteCatalogue(tag, domain, msgid, "not translated")
    if message.fuzzy:
        raise IncompleteCatalogue(tag, domain, msgid, "fuzzy")
    texts = tuple(message.string) if isinstance(message.string, (list, tuple)) else (message.string,)
    if len(texts) != (plural_forms if source.pluralizable else 1):
        raise IncompleteCatalogue(tag, domain, msgid, f"{len(texts)} forms instead of {plural_forms}")
    whole = tuple(text for text in texts if text)
    if len(whole) != len(texts):
        raise IncompleteCatalogue(tag, domain, msgid, "not translated")
    _check_placeholders(tag, domain, source, whole)
    return whole


def _check_placeholders(tag: str, domain: str, source: Message, texts: tuple[str, ...]) -> None:
    """The same names as in English; a plural form may leave the count out (Arabic has a word for two)."""
    wanted = frozenset[str]().union(*map(placeholders, _ids(source)))
    optional = frozenset({"count"}) if source.pluralizable else frozenset()
    for text in texts:
        if not wanted - optional <= placeholders(text) <= wanted:
            raise IncompleteCatalogue(tag, domain, _msgid(source), "other placeholders than in English")


def _refuse_stale(tag: str, domain: str, messages: Catalog, forms: Mapping[Key, tuple[str, ...]]) -> None:
    for message in messages:
        if message.id and (message.context, _msgid(message)) not in forms:
            raise IncompleteCatalogue(tag, domain, _msgid(message), "not in the English catalogue")


def _ids(message: Message) -> tuple[str, ...]:
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def _msgid(message: Message) -> str:
    return _ids(message)[0]
