"""What a combination says of itself: worse than its best member, or not."""

import math

import numpy as np
import pytest

from civility.combine.leave import Combination
from civility.data.dataset import Dataset
from civility.labelled import Labelled

LABELLED = Labelled(Dataset(("x",), np.ones((1, 1), dtype=np.float32), ("1",), ("a",)), (), (), None, is_own=True)


def combination(score: float, *scores: float) -> Combination:
    names = tuple(f"runs/{place}" for place in range(len(scores)))
    return Combination("soup", "How.", names, (1 / len(scores),) * len(scores), scores, score, LABELLED)


def test_it_says_so_if_its_best_member_is_better() -> None:
    (warning,) = combination(0.9, 0.8, 0.95).warnings
    assert warning == (
        "the soup is worse than its best member: macro ROC AUC 0.9000, and runs/1 alone 0.9500: use that one"
    )


@pytest.mark.parametrize("score", [0.95, 0.96, math.nan])
def test_it_is_silent_otherwise(score: float) -> None:
    assert combination(score, 0.8, 0.95).warnings == ()
