"""The card of a combination: what it is made of, and no word of transformers where that cannot load it."""

from dataclasses import replace

from civility.report.combined_card import CombinedFacts, combined_card

from .test_card import REPORT

FACTS = CombinedFacts(
    name="both",
    kind="ensemble",
    how="The mean of their calibrated scores.",
    members=("runs/a", "runs/`b`|"),
    weights=(0.75, 0.25),
    scores=(0.9, 0.8),
    score=0.95,
    max_length=0,
    base_model=None,
    warnings=(),
    digest="sha256:1",
)


def test_an_ensemble_is_for_civility_alone() -> None:
    card = combined_card(FACTS, REPORT)
    assert "library_name: civility" in card
    assert "base_model" not in card
    assert "transformers" not in card
    assert "an ensemble of 2 classifiers, made with civility" in card
    assert "Comments are cut" not in card
    assert "| `runs/a` | 0.75 | 0.9000 |" in card
    assert "| `runs/'b'\\|` | 0.25 | 0.8000 |" in card
    assert "| **ensemble** | | 0.9500 |" in card


def test_a_soup_is_for_transformers_too_and_tells_its_warnings() -> None:
    facts = replace(FACTS, kind="soup", base_model="org/model", max_length=64, warnings=("the soup is *worse*",))
    card = combined_card(facts, REPORT)
    assert 'base_model: "org/model"' in card
    assert "from transformers import pipeline" in card
    assert "a soup of 2 classifiers" in card
    assert "Comments are cut after 64 tokens." in card
    assert "**the soup is \\*worse\\***" in card
