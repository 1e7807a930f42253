"""The card of a combination: its members, and no mention of transformers if that cannot load it."""

import math
from dataclasses import replace

import pytest

from civility.render.markdown.model_card import Makeup, combined_card

from .test_model_card import REPORT

MAKEUP = Makeup(
    kind="ensemble",
    method="scores",
    members=("runs/a", "runs/`b`|"),
    weights=(0.75, 0.25),
    scores=(0.9, 0.8),
    score=0.95,
    digest="sha256:1",
)


def test_only_civility_loads_an_ensemble() -> None:
    card = combined_card("both", MAKEUP, 0, REPORT)
    assert "library_name: civility" in card
    assert "base_model" not in card
    assert "transformers" not in card
    assert "an ensemble of 2 classifiers, made with civility" in card
    assert "Comments are truncated" not in card
    assert "**a linear member (`linear.json`) has words of its training comments in clear text**" in card
    assert "| `runs/a` | 0.75 | 0.9000 |" in card
    assert "| `runs/'b'\\|` | 0.25 | 0.8000 |" in card
    assert "| **ensemble** | | 0.9500 |" in card


def test_transformers_loads_a_soup_and_its_warnings_are_shown() -> None:
    makeup = replace(MAKEUP, kind="soup", base_model="org/model", score=0.85)
    card = combined_card("both", makeup, 64, REPORT)
    assert 'base_model: "org/model"' in card
    assert "from transformers import pipeline" in card
    assert "a soup of 2 classifiers" in card
    assert "Comments are truncated to 64 tokens." in card
    assert "has no words from the training comments" in card
    assert "**the soup is worse than its best member: macro ROC AUC 0.8500, against 0.9000 for runs/a" in card


@pytest.mark.parametrize(("score", "warns"), [(0.9, True), (0.95, False), (0.96, False), (math.nan, False)])
def test_a_combination_worse_than_its_best_member_has_a_warning(score: float, warns: bool) -> None:
    makeup = Makeup("soup", "uniform", ("runs/0", "runs/1"), (0.5, 0.5), (0.8, 0.95), score, "sha256:1")
    expected = (
        "the soup is worse than its best member: macro ROC AUC 0.9000, against 0.9500 for runs/1 alone: use that one"
    )
    assert makeup.warnings == ((expected,) if warns else ())


def test_a_difference_that_is_not_measurable_is_no_advice() -> None:
    (warning,) = replace(MAKEUP, score=0.85, not_measurable=("threat",)).warnings
    assert warning.startswith(
        "whether the ensemble is better than its best member is not measurable (macro ROC AUC 0.85"
    )
    assert warning.endswith("fewer than 10 positive or negative comments of threat; choose on more comments")
    assert replace(MAKEUP, not_measurable=("threat",)).warnings == ()
