"""Equal comments: the same text up to Unicode form, case and white space."""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Bools, Ints, Targets

_DIGEST_BYTES = 16
# No language has longer runs of combining marks, and Python's normalize() sorts them in quadratic time. The limit is
# that of the Stream-Safe Text Format, Unicode Standard Annex 15.
_LONGEST_RUN_OF_MARKS = 30


def normalised(text: str) -> str:
    """Return the text in NFKC, without case, and with single spaces.

    A text with more than 30 combining marks in a row keeps its form, since normalising it could take hours.
    """
    if not text.isascii() and not has_long_run_of_marks(text):
        # Folding can undo NFKC, hence twice (Unicode 3.13, D146).
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.casefold().split())


def has_long_run_of_marks(text: str) -> bool:
    """Return whether a text has more than 30 combining marks in a row. Do not normalise such a text."""
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run > _LONGEST_RUN_OF_MARKS:
            return True
    return False


def text_digests(texts: Sequence[str], key: bytes = b"") -> npt.NDArray[Any]:
    """Return the digest of each normalised text, (N,) of 16 bytes. Another key gives other digests in another order."""
    digests = bytearray()
    for text in texts:
        data = normalised(text).encode("utf-8", "surrogatepass")
        digests += hashlib.blake2b(data, digest_size=_DIGEST_BYTES, key=key).digest()
    return np.frombuffer(digests, dtype=f"V{_DIGEST_BYTES}")


def contradictions(group_of_row: Ints, targets: Targets) -> Bools:
    """Return where equal comments disagree, (K, L): true if a label is positive for one and negative for another.

    Parameters
    ----------
    group_of_row : (N,) from 0 to K - 1, the same for equal texts
    targets : (N, L) in [0, 1]; NaN contradicts nothing
    """
    num_groups = int(group_of_row.max()) + 1 if len(group_of_row) else 0
    positive = np.zeros((num_groups, targets.shape[1]), dtype=np.bool_)
    negative = positive.copy()
    for label in range(targets.shape[1]):
        positive[group_of_row[targets[:, label] >= POSITIVE_FROM], label] = True  # NaN is neither
        negative[group_of_row[targets[:, label] < POSITIVE_FROM], label] = True
    return positive & negative
