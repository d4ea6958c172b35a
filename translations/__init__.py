"""Words: one folder a language, discovered, checked at start and compiled in memory.

A folder's name is its BCP 47 tag. `language.toml` says what the language is called in itself, its
direction, its CLDR locale and its plural rule; each `<domain>.po` offers the language for that domain
(`buyer`, `labels`, `console`). The msgid is the English text, so `en/*.po` lists all that can be said.

    >>> from translations import words_for
    >>> words_for("de", "buyer").text("Recalled")
    'Zurückgerufen'
"""

from translations.catalog import Catalogue, IncompleteCatalogue, Language, catalogues
from translations.negotiate import choose
from translations.words import Words, mark, words_for

__all__ = [
    "Catalogue",
    "IncompleteCatalogue",
    "Language",
    "Words",
    "catalogues",
    "choose",
    "mark",
    "words_for",
]
