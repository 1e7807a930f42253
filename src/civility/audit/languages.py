"""The languages that comments are written in, by py3langid where it is installed (``civility[languages]``).

Guessing the language of a short text often errs, and of a hundred languages the rare ones win by chance: what is
found in less than half a percent of the comments is counted together.
"""

from collections import Counter
from collections.abc import Sequence

LEAST_SHARE = 0.005
OTHER = "other"
_CHARACTERS_READ = 1_000


def language_counts(texts: Sequence[str]) -> dict[str, int]:
    """Return how many texts are in each language, by ISO 639 code, the most frequent first, then ``other``.

    Raises
    ------
    ModuleNotFoundError : py3langid is not installed
    """
    from py3langid import classify

    counts = Counter(classify(text[:_CHARACTERS_READ])[0] for text in texts)
    frequent = {code: number for code, number in counts.items() if number >= LEAST_SHARE * len(texts)}
    ordered = dict(sorted(frequent.items(), key=lambda item: (-item[1], item[0])))
    rest = len(texts) - sum(frequent.values())
    return {**ordered, OTHER: rest} if rest else ordered
