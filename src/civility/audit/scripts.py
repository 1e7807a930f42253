"""The scripts that comments are written in, by the names that Unicode gives to letters."""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

NO_SCRIPT = "none"
"""Of a text without letters."""

_CHARACTERS_READ = 2_000
_ASCII_LETTER = re.compile("[A-Za-z]")
# The first word of a name is its script, but for these.
_OTHER_NAMES = {
    "CJK": "HAN",
    "FULLWIDTH": "LATIN",
    "MATHEMATICAL": "LATIN",
    "MODIFIER": "",
    "FEMININE": "",
    "MASCULINE": "",
    "MICRO": "",
}


def script_of(text: str) -> str:
    """Return the script of most letters of a text in its first 2,000 characters, as ``latin``; ``none`` without any."""
    if text.isascii():
        return "latin" if _ASCII_LETTER.search(text) else NO_SCRIPT
    scripts: Counter[str] = Counter()
    for character, times in Counter(text[:_CHARACTERS_READ]).items():
        script = _script_of_character(character)
        if script:
            scripts[script] += times
    # Of equally many letters the script that comes first by name, whatever the order of the characters.
    return min(scripts, key=lambda script: (-scripts[script], script)) if scripts else NO_SCRIPT


def script_counts(texts: Iterable[str]) -> dict[str, int]:
    """Return how many texts are written in each script, the most frequent first."""
    counts = Counter(map(script_of, texts))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@functools.lru_cache(maxsize=100_000)
def _script_of_character(character: str) -> str:
    """Return the script of a letter in lower case; empty for anything else."""
    if not character.isalpha():
        return ""
    first = unicodedata.name(character, "").split(" ")[0].split("-")[0]
    return _OTHER_NAMES.get(first, first).lower()
