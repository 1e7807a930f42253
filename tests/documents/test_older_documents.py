"""Sweeps and audits of older schemas are read; every code has a sentence. (Reports: tests/evaluation.)"""

from typing import Any, get_args

import pytest

from civility.documents.audit_result import Audit
from civility.documents.note import Note, NoteCode, as_note
from civility.documents.sweep_result import SweepResult
from civility.evaluation import perturb
from civility.render.sentences.audit_sentences import details, not_measured
from civility.render.sentences.note_sentences import note_sentence
from civility.render.sentences.report_sentences import PERTURBATIONS
from civility.render.sentences.sweep_sentences import no_importance

from ..refusals import refused

SWEEP: dict[str, Any] = {
    "schema_version": 1,
    "name": "sweep",
    "recipe": {},
    "metric": "loss",
    "search": {},
    "space": {},
    "num_planned": 2,
    "trials": [{"number": 0, "state": "finished", "settings": {}, "scores": {"1": 0.5}, "best": 0.5, "best_epoch": 1}],
    "importance": {},
    "why_no_importance": "importance needs 8 finished trials, and there are 1",
    "num_training": 10,
    "num_validation": 5,
}
AUDIT: dict[str, Any] = {
    "schema": 1,
    "data": {
        "files": [{"name": "a.csv", "num_comments": 3, "languages": None}],
        "num_comments": 3,
        "digest": "sha256:0",
        "notes": ["a.csv: one row is empty"],
    },
    "seed": 0,
    "findings": [
        {
            "name": "few_positives",
            "title": "labels with few positives",
            "unit": "label",
            "count": 1,
            "total": 1,
            "share": 1.0,
            "details": "toxic 1",
            "advice": "Collect more.",
            "num_listed": 0,
        }
    ],
    "labels": {"toxic": {"num_positive": 1, "num_negative": 2, "num_unknown": 0, "num_soft": 0}},
    "co_occurrence": {"labels": ["toxic"], "num_comments": [[1]]},
    "characters": {"minimum": 1, "median": 2, "p90": 3, "p99": 3, "maximum": 3},
    "tokens": None,
    "label_errors": None,
    "leaks": [],
    "scripts": {"latin": 3},
    "languages": None,
    "undefined": {"tokens": "transformers is not installed"},
}


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("importance needs 8 finished trials, and there are 1", "importance needs 8 finished trials, and there are 1"),
        ("all finished trials have the same score", "all finished trials have the same score"),
        ("", "not measured"),
    ],
)
def test_a_sweep_of_schema_1_is_read(sentence: str, words: str) -> None:
    found = SweepResult.from_content({**SWEEP, "why_no_importance": sentence}, "sweep.json")
    assert (found.schema_number, found.trials[0].scores, no_importance(found)) == (2, {1: 0.5}, words)
    assert SweepResult.parse(found.to_json(), "sweep.json") == found
    with refused("documents.newer"):
        SweepResult.from_content({**SWEEP, "schema_version": 3}, "sweep.json")


def test_an_audit_of_schema_1_is_read() -> None:
    found = Audit.from_content(AUDIT, "audit.json")
    assert [details(finding, found) for finding in found.findings] == ["toxic 1"]
    assert [note_sentence(note) for note in found.data.notes] == ["a.csv: one row is empty"]
    assert not_measured(found.undefined["tokens"]) == "transformers is not installed"
    assert Audit.parse(found.to_json(), "audit.json") == found


@pytest.mark.parametrize("code", get_args(NoteCode))
def test_every_note_has_a_sentence(code: NoteCode) -> None:
    note = Note(
        code=code,
        text="a sentence",
        names=("a", "b"),
        labels=("toxic",),
        metrics=("f1",),
        num=3,
        total=4,
        epochs=(3, 0),
    )
    sentence = note_sentence(note)
    assert len(sentence) > 10
    assert sentence != note_sentence(as_note("another"))


def test_every_perturbation_has_words() -> None:
    assert set(PERTURBATIONS) == {one.name for one in perturb.PERTURBATIONS}
