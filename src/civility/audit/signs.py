"""Signs that a comment is damaged or says nothing, one text at a time.

A sign is a reason to look, not a verdict: each of them occurs in good comments too.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

SignName = Literal[
    "mojibake",
    "replacement_character",
    "control_characters",
    "html_entities",
    "invisible_characters",
    "mixed_scripts",
    "repeats_itself",
    "only_url",
    "no_letters",
    "long_word",
    "very_long",
]
# Characters from which a word is a sign, and a comment: four times the longest that Jigsaw's sites allowed.
LONG_WORD, LONG_COMMENT = 100, 20_000
_LEAST_REPEATS = 4
_LEAST_REPEATED = 12

# UTF-8 read as Latin-1 or Windows-1252: the second byte of an accented letter, of a quotation mark, of a mark at
# the start of a file, or two Cyrillic letters.
_SECOND_BYTE = (
    "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u2026\u2030\u20ac\u2122"
)
_MOJIBAKE = re.compile(
    f"\u00c3[{_SECOND_BYTE}]|\u00c2[\u00a0-\u00bf]|\u00e2\u20ac|\u00ef\u00bf\u00bd|\u00ef\u00bb\u00bf|(?:[\u00d0\u00d1][{_SECOND_BYTE}]){{2}}"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_LETTER = re.compile(r"[^\W\d_]")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_LATIN_IN_OTHER = re.compile("[a-zA-Z][\u0370-\u03ff\u0400-\u04ff]|[\u0370-\u03ff\u0400-\u04ff][a-zA-Z]")


@dataclass(frozen=True)
class Sign:
    """A sign by name, and the test for it."""

    name: SignName
    # (text, its words, split at white space) -> whether the text shows the sign
    shows: Callable[[str, list[str]], bool]
    needs: str = ""  # a text that must occur, or the test is skipped
    needs_foreign: bool = False  # whether the test is skipped for ASCII texts


def _only_url(text: str, words: list[str]) -> bool:
    if "://" not in text and "www." not in text:
        return False
    return bool(_URL.search(text)) and not _LETTER.search(_URL.sub(" ", text))


def repeats_itself(text: str, words: list[str]) -> bool:
    """Return whether a text is one word or phrase four times or more, without case and spacing."""
    # Four times the same words: a quarter of them are different, or half where case differs.
    if len(words) > 4 * _LEAST_REPEATS and len(set(words)) > len(words) // 2 + 2:
        return False
    plain = " ".join(words).casefold() + " "
    return len(plain) > _LEAST_REPEATED and (_is_periodic(plain) or _is_periodic(plain[:-1]))


def _is_periodic(text: str) -> bool:
    # If the text has a period of at most half its length, its first half recurs after one period, and not before.
    period = text.find(text[: len(text) // 2], 1)
    return 0 < period <= len(text) // _LEAST_REPEATS and text[period:] == text[:-period]


SIGNS = (
    Sign("mojibake", lambda text, words: bool(_MOJIBAKE.search(text)), needs_foreign=True),
    Sign("replacement_character", lambda text, words: "\ufffd" in text, needs_foreign=True),
    Sign("control_characters", lambda text, words: bool(_CONTROL.search(text))),
    Sign("html_entities", lambda text, words: bool(_ENTITY.search(text)), needs="&"),
    Sign("invisible_characters", lambda text, words: bool(_INVISIBLE.search(text)), needs_foreign=True),
    Sign("mixed_scripts", lambda text, words: bool(_LATIN_IN_OTHER.search(text)), needs_foreign=True),
    Sign("repeats_itself", repeats_itself),
    Sign("only_url", _only_url),
    Sign("no_letters", lambda text, words: not _LETTER.search(text)),
    Sign("long_word", lambda text, words: len(text) >= LONG_WORD and max(map(len, words), default=0) >= LONG_WORD),
    Sign("very_long", lambda text, words: len(text) >= LONG_COMMENT),
)
_SIGNS_OF_ASCII = tuple(sign for sign in SIGNS if not sign.needs_foreign)


def rows_with_signs(texts: Iterable[str]) -> dict[SignName, npt.NDArray[np.int64]]:
    """Return the rows that show each sign, ascending, by the name of the sign."""
    rows: dict[SignName, list[int]] = {sign.name: [] for sign in SIGNS}
    for row, text in enumerate(texts):
        is_foreign = not text.isascii()
        words = text.split()
        for sign in SIGNS if is_foreign else _SIGNS_OF_ASCII:
            if sign.needs in text and sign.shows(text, words):
                rows[sign.name].append(row)
    return {name: np.array(found, dtype=np.int64) for name, found in rows.items()}
