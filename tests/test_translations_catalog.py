"""A language is offered whole or not at all."""

import shutil
from pathlib import Path

import pytest

from translations import Words, catalogues
from translations.catalog import (
    HERE,
    REFERENCE,
    IncompleteCatalogue,
    load,
    parse_plural_forms,
    placeholders,
    read_domain,
)
from translations.extract import SOURCES, Said, as_po, said_in, updated

PAIRS = sorted(catalogues().by_tag)


@pytest.fixture
def languages(tmp_path: Path) -> Path:
    """A copy of the real folders, to be broken."""
    for folder in HERE.iterdir():
        if (folder / "language.toml").exists():
            shutil.copytree(folder, tmp_path / folder.name)
    return tmp_path


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_four_languages_speak_to_buyers_and_on_labels() -> None:
    for domain in ("buyer", "labels"):
        offered = [language.tag for language in catalogues().offering(domain)]
        assert offered == ["en", "ar", "de", "zh-Hans"]


def test_a_language_without_a_domain_s_file_does_not_offer_it(languages: Path) -> None:
    (languages / "de" / "labels.po").unlink()
    loaded = load(languages)
    assert "de" not in [language.tag for language in loaded.offering("labels")]
    with pytest.raises(KeyError):
        Words("de", "labels", loaded)


def test_a_missing_translation_is_named(languages: Path) -> None:
    replace_in(
        languages / "ar" / "buyer.po",
        'msgid "Recalled"\nmsgstr "مشمول بالاستدعاء"',
        'msgid "Recalled"\nmsgstr ""',
    )
    with pytest.raises(IncompleteCatalogue) as refusal:
        load(languages)
    assert (refusal.value.language, refusal.value.domain, refusal.value.msgid) == ("ar", "buyer", "Recalled")


def test_a_fuzzy_translation_is_no_translation(languages: Path) -> None:
    replace_in(languages / "de" / "buyer.po", 'msgid "Recalled"', '#, fuzzy\nmsgid "Recalled"')
    with pytest.raises(IncompleteCatalogue, match="fuzzy"):
        load(languages)


def test_a_placeholder_lost_in_translation_is_refused(languages: Path) -> None:
    replace_in(languages / "de" / "buyer.po", 'msgstr "Modell {model}"', 'msgstr "Modell"')
    with pytest.raises(IncompleteCatalogue, match="placeholders"):
        load(languages)


def test_a_placeholder_invented_in_translation_is_refused(languages: Path) -> None:
    replace_in(languages / "de" / "buyer.po", 'msgstr "Modell {model}"', 'msgstr "Modell {model} {batch}"')
    with pytest.raises(IncompleteCatalogue, match="placeholders"):
        load(languages)


def test_a_plural_rule_that_differs_from_cldr_is_refused(languages: Path) -> None:
    replace_in(languages / "de" / "language.toml", "plural=(n != 1)", "plural=(n > 1)")
    with pytest.raises(IncompleteCatalogue, match="another form for 0"):
        load(languages)


def test_too_few_plural_forms_are_refused(languages: Path) -> None:
    replace_in(languages / "ar" / "language.toml", "nplurals=6", "nplurals=2")
    with pytest.raises(IncompleteCatalogue, match="6 plural forms"):
        load(languages)


def test_a_stale_msgid_is_refused(languages: Path) -> None:
    with (languages / "de" / "buyer.po").open("a", encoding="utf-8") as file:
        file.write('\nmsgid "Nobody says this"\nmsgstr "Das sagt niemand"\n')
    with pytest.raises(IncompleteCatalogue, match="Nobody says this"):
        load(languages)


@pytest.mark.parametrize("domain", sorted(SOURCES))
def test_what_pages_say_is_exactly_what_the_catalogues_hold(domain: str) -> None:
    said = {(one.context or None, one.msgid) for one in said_in(domain)}
    for tag, offered in PAIRS:
        if offered == domain:
            held = set(catalogues().by_tag[tag, domain].forms)
            assert held == said, "run: python -m translations.extract"


def test_the_hazards_danger_and_steps_are_among_what_is_said() -> None:
    assert Said("The battery can overheat and catch fire.") in said_in("buyer")
    assert Said("Wash your hands after touching it.") in said_in("buyer")


@pytest.mark.parametrize(("tag", "domain"), PAIRS)
def test_the_files_stand_as_the_extraction_writes_them(tag: str, domain: str) -> None:
    catalogue = updated(read_domain(HERE, tag, domain), said_in(domain), tag, domain)
    assert as_po(catalogue, tag) == (HERE / tag / f"{domain}.po").read_bytes()


def test_a_new_text_is_added_untranslated_and_an_old_one_dropped() -> None:
    before = read_domain(HERE, "de", "labels")
    after = updated(before, {Said("Batch"): "x.py", Said("Made in"): "x.py"}, "de", "labels")
    assert {message.id: message.string for message in after if message.id} == {
        "Batch": "Charge",
        "Made in": None,
    }


# What German says as English does.
ALIKE = {
    *("Code", "GTIN", "IBAN", "Logo", "Material", "Name", "Passkeys", "PayPal", "Person", "Revision", "Salt"),
    *("Shop", "Token", "Version", "Webhooks", "{material}, {supplier}"),
}


@pytest.mark.parametrize(("tag", "domain"), [pair for pair in PAIRS if pair[0] != REFERENCE])
def test_no_translation_is_the_english_text(tag: str, domain: str) -> None:
    same = {
        msgid for (_, msgid), forms in catalogues().by_tag[tag, domain].forms.items() if forms[0] == msgid
    }
    assert same <= (ALIKE if (tag, domain) == ("de", "console") else set())


def test_english_plurals_take_one_form_for_one() -> None:
    count, form_of = parse_plural_forms("nplurals=2; plural=(n != 1);")
    assert (count, [form_of(number) for number in (0, 1, 2)]) == (2, [1, 0, 1])


def test_placeholders_are_the_names_in_braces() -> None:
    assert placeholders("{start} to {end}") == {"start", "end"}
    with pytest.raises(ValueError, match="Single"):
        placeholders("a lone {")


FORBIDDEN = {
    "en": (
        "safe ",
        "safely",
        "voluntar",
        "precaution",
        "abundance",
        "inconvenien",
        " may ",
        "unlikely",
        "rare",
    ),
    "de": (
        "freiwilligen rückruf",
        "vorsorg",
        "vorsicht",
        "unannehmlich",
        "unwahrscheinlich",
        "selten",
        "möglicherweise",
    ),
    "zh-Hans": ("自愿", "预防性", "不便", "可能性很小", "罕见", "请放心"),
    "ar": ("طوعي", "احترازي", "وقائي", "نادر", "آمن"),
}


@pytest.mark.parametrize("tag", sorted(FORBIDDEN))
def test_nothing_a_buyer_reads_plays_the_danger_down(tag: str) -> None:
    texts = [text.lower() for forms in catalogues().by_tag[tag, "buyer"].forms.values() for text in forms]
    assert [text for text in texts if any(word in text for word in FORBIDDEN[tag])] == []


def test_english_sentences_have_at_most_fifteen_words() -> None:
    texts = [text for forms in catalogues().by_tag["en", "buyer"].forms.values() for text in forms]
    sentences = [part for text in texts for part in text.replace("?", ".").replace(":", ".").split(". ")]
    assert [sentence for sentence in sentences if len(sentence.split()) > 15] == []
