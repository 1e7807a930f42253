"""What a combination says of itself: worse than its best member, or not."""

import math

import pytest

from civility.render.markdown.combined_card import Makeup


def made_of(score: float, *scores: float) -> Makeup:
    names = tuple(f"runs/{place}" for place in range(len(scores)))
    return Makeup("soup", "How.", names, (1 / len(scores),) * len(scores), scores, score, "sha256:1")


def test_it_says_so_if_its_best_member_is_better() -> None:
    (warning,) = made_of(0.9, 0.8, 0.95).warnings
    assert warning == (
        "the soup is worse than its best member: macro ROC AUC 0.9000, and runs/1 alone 0.9500: use that one"
    )


@pytest.mark.parametrize("score", [0.95, 0.96, math.nan])
def test_it_is_silent_otherwise(score: float) -> None:
    assert made_of(score, 0.8, 0.95).warnings == ()
