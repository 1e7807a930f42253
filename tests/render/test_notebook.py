"""What a notebook shows of a report, a comparison and a classifier."""

from html import unescape
from pathlib import Path
from typing import Any

import pytest

from civility import Classifier
from civility.models.encoder import EncoderScorer, load_encoder
from civility.render.numbers import cut_point
from civility.render.sentences.report_sentences import labels_by_verdict

from ..evaluation.synthetic import empty_report, make_report
from .test_comparison_drawn import HOSTILE, _comparison
from .test_report_page import _Reader


def rows_of(thing: Any) -> list[dict[str, str | None]]:
    return list(_Reader(thing._repr_html_()).every("tr"))


def test_a_report_shows_its_verdict_and_a_row_for_each_label() -> None:
    report = make_report(300)
    shown = unescape(report._repr_html_())
    assert labels_by_verdict(report) in shown
    assert len(rows_of(report)) == 1 + len(report.labels) + 2
    numbers = report.labels["threat"]
    assert f"<tr><th>threat</th><td>{numbers.verdict}</td><td>{numbers.roc_auc.value:.3f} [" in shown
    assert f"<td>{cut_point(numbers.threshold)}</td></tr>" in shown
    assert "<td>-</td>" in empty_report()._repr_html_()


def test_a_comparison_shows_differences_and_notes() -> None:
    shown = _comparison()._repr_html_()
    assert "3 rows of 6 runs, on the same 2,400 comments." in shown
    assert "<tr><th>bce</th><td>training.loss=bce, training.epochs=1</td><td>0.9100 ± 0.0100</td>" in shown
    assert "<td>+0.0100 [-0.0100, +0.0300]</td><td>▲ better</td></tr>" in shown
    assert "<p>a note</p>" in shown


def test_a_classifier_shows_its_thresholds(tiny_bert: Path) -> None:
    scorer = EncoderScorer(load_encoder(str(tiny_bert), ("toxic", "threat")), 48)
    classifier = Classifier(scorer, {"toxic": 0.75})
    classifier.review_thresholds["toxic"] = 0.25
    shown = classifier._repr_html_()
    assert "truncated to 48 tokens" in shown
    assert "<tr><th>toxic</th><td>0.75</td><td>0.25</td><td></td><td>none</td></tr>" in shown
    assert len(rows_of(classifier)) == 3


@pytest.mark.parametrize("name", HOSTILE)
def test_names_add_no_element(name: str) -> None:
    for hostile, plain in (
        (make_report(200, [name, "b"]), make_report(200, ["a", "b"])),
        (_comparison((name,), ("base", name)), _comparison(("a",), ("base", "b"))),
    ):
        kinds = [[tag for tag, _ in _Reader(thing._repr_html_()).elements] for thing in (hostile, plain)]
        assert kinds[0] == kinds[1]
