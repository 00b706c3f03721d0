"""The words of pages, in the deck's language. A process serves one deck, and a deck speaks one language.

What is made for a page in Python is looked up here when it is drawn: `_("Start")`. A message that stands in a constant
is marked with `N_` where it is written, and looked up where it is drawn.
"""

from dataclasses import dataclass, field
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from daemons.settings import BadSettings

LOCALE = Path(__file__).parent / "locale"
"""Holds LANGUAGE/LC_MESSAGES/daemondeck.mo for each language but English, in which the messages are written."""
ENGLISH = "en"
_FILE = Path("LC_MESSAGES", "daemondeck.mo")


@dataclass(slots=True)
class _Spoken:
    language: str = ENGLISH
    translations: NullTranslations = field(default_factory=NullTranslations)


_now = _Spoken()


def languages() -> list[str]:
    """Return the languages that a deck can speak."""
    return sorted({ENGLISH, *(found.parents[1].name for found in LOCALE.glob(f"*/{_FILE}"))})


def catalogue(language: str) -> NullTranslations:
    """Return the translations into `language`. Raises BadSettings naming those there are."""
    if language not in languages():
        raise BadSettings(
            f"There is no language {language!r}.",
            remedy=f"Set language to one of: {', '.join(languages())}.",
            code="ERR_LANGUAGE",
        )
    if language == ENGLISH:
        return NullTranslations()
    with (LOCALE / language / _FILE).open("rb") as file:
        return GNUTranslations(file)


def speak(language: str, translations: NullTranslations) -> None:
    """Have all pages speak `language` from now on."""
    _now.language, _now.translations = language, translations


def language() -> str:
    """Return the language of pages as HTML names it: pt-BR."""
    return _now.language.replace("_", "-")


def _(message: str) -> str:
    """Return `message` in the deck's language."""
    return _now.translations.gettext(message)


def ngettext(one: str, many: str, n: int) -> str:
    """Return the message for `n` things in the deck's language."""
    return _now.translations.ngettext(one, many, n)


def N_(message: str) -> str:  # noqa: N802 - the name by which translators' tools find it
    """Mark a message of a constant, to be looked up when it is drawn."""
    return message
