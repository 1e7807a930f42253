"""How many comments have each label, are written in each script, and in each language."""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from civility.arrays import POSITIVE_FROM, Ints, Targets
from civility.data.dataset import count_targets
from civility.documents.audit_result import LabelCounts


def label_counts(targets: Targets) -> list[LabelCounts]:
    """Return the counts of each label of targets (N, L)."""
    num_positive, num_known = count_targets(targets)
    num_soft = ((targets > 0) & (targets < 1)).sum(axis=0)
    return [
        LabelCounts(
            num_positive=positive, num_negative=known - positive, num_unknown=len(targets) - known, num_soft=soft
        )
        for positive, known, soft in np.stack([num_positive, num_known, num_soft], axis=1).tolist()
    ]


def co_occurrence(targets: Targets) -> Ints:
    """Return (L, L) counts of comments that have both labels; on the diagonal, those that have the one."""
    positive = (targets >= POSITIVE_FROM).astype(np.float32)
    # float32 counts are exact up to 2**24: sum blocks of fewer rows.
    blocks = (positive[start : start + 2**20] for start in range(0, len(positive), 2**20))
    total = np.zeros((targets.shape[1], targets.shape[1]), dtype=np.int64)
    for block in blocks:
        total += (block.T @ block).astype(np.int64)
    return total


NO_SCRIPT = "none"
"""The script of a text without letters."""

_SCRIPT_CHARACTERS = 2_000
_ASCII_LETTER = re.compile("[A-Za-z]")
# The first word of a name is its script, with these exceptions.
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
    for character, times in Counter(text[:_SCRIPT_CHARACTERS]).items():
        script = _script_of_character(character)
        if script:
            scripts[script] += times
    # With equal counts the script that is first by name, so that the order of characters does not matter.
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


LEAST_SHARE = 0.005
OTHER = "other"
_LANGUAGE_CHARACTERS = 1_000


def language_counts(texts: Sequence[str]) -> dict[str, int]:
    """Return how many texts are in each language, by ISO 639 code, the most frequent first, then ``other``.

    Raises
    ------
    ModuleNotFoundError : py3langid is not installed
    """
    from py3langid import classify

    counts = Counter(classify(text[:_LANGUAGE_CHARACTERS])[0] for text in texts)
    frequent = {code: number for code, number in counts.items() if number >= LEAST_SHARE * len(texts)}
    ordered = dict(sorted(frequent.items(), key=lambda item: (-item[1], item[0])))
    rest = len(texts) - sum(frequent.values())
    return {**ordered, OTHER: rest} if rest else ordered
