"""Sweeps and audits of older schemas are read; every code has a sentence. (Reports: tests/evaluation.)"""

from typing import Any, get_args

import pytest

from civility.documents.audit_result import Audit
from civility.documents.note import Note, NoteCode, as_note
from civility.documents.run_environment import RunEnvironment
from civility.documents.sweep_result import SweepResult
from civility.evaluation import perturb
from civility.render.sentences.audit_sentences import details, not_measured, unknown_training
from civility.render.sentences.plan_sentences import device_words, threads_words
from civility.render.sentences.preflight_sentences import check_words
from civility.render.sentences.report_sentences import PERTURBATIONS, note_sentence
from civility.render.sentences.sweep_sentences import end_sentence, no_importance

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
    assert (found.schema_number, found.trials[0].scores, no_importance(found)) == (3, {1: 0.5}, words)
    assert SweepResult.parse(found.to_json(), "sweep.json") == found
    with refused("documents.newer"):
        SweepResult.from_content({**SWEEP, "schema_version": 4}, "sweep.json")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", None),
        ("after epoch 1 of 6 its best was worse than half of the others'", "pruned"),
        ("the memory is too small for it", "out_of_memory"),
        ("runs/0001/metrics.jsonl is damaged", "damaged_log"),
        ("loss is not measured of a model that is fitted without epochs", "not_measured"),
        ("a.csv: no such file\n       b.csv: no such file", "error"),
    ],
)
def test_why_a_trial_of_an_older_sweep_ended_is_read(words: str, code: str | None) -> None:
    trial = {"number": 0, "state": "failed", "settings": {}, "epochs": 6, "why": words}
    new = {key: value for key, value in SWEEP.items() if key != "schema_version"}
    found = SweepResult.from_content({**new, "schema": 2, "why_no_importance": None, "trials": [trial]}, "sweep.json")
    end = found.trials[0].why
    assert (end.code if end else None, end_sentence(found.trials[0])) == (code, words)
    assert SweepResult.parse(found.to_json(), "sweep.json") == found


def test_an_audit_of_schema_1_is_read() -> None:
    found = Audit.from_content(AUDIT, "audit.json")
    assert [details(finding, found) for finding in found.findings] == ["toxic 1"]
    assert [note_sentence(note) for note in found.data.notes] == ["a.csv: one row is empty"]
    assert not_measured(found.undefined["tokens"]) == "transformers is not installed"
    assert Audit.parse(found.to_json(), "audit.json") == found


def _environment(**entries: Any) -> RunEnvironment:
    data = {"training": {"digest": "a"}, "validation": {"digest": "b"}}
    found = RunEnvironment.from_content({"schema": 2, "data": data, **entries}, "environment.json")
    assert found.schema_number == 3
    assert RunEnvironment.parse(found.to_json(), "environment.json") == found
    return found


@pytest.mark.parametrize("words", ["CPU", "CPU, 1 thread", "CPU, 1,024 threads", "NVIDIA H200", "arm64"])
def test_the_device_of_an_older_run_is_read(words: str) -> None:
    found = _environment(device=words, resumed=[{"from": "step-000001", "device": words}])
    assert found.device is not None
    assert device_words(found.device) == words
    assert found.resumed[0].device == found.device
    assert _environment(device="").device is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("threads set by training.threads", "recipe"),
        ("threads set by OMP_NUM_THREADS", "variable"),
        ("threads as before the interruption", "resumed"),
        ("threads as on the process with the fewest", "fewest_of_processes"),
        ("one thread per core", "one_per_core"),
        ("one thread per core, though another process keeps this machine busy", "one_per_core_busy"),
        ("1 of 2 threads: more would not be faster", "no_faster"),
        ("1 of 4 threads: another process keeps this machine busy (4 are 28.6 times slower)", "busy"),
        ("something else", "text"),
    ],
)
def test_the_reason_for_the_threads_of_an_older_run_is_read(words: str, code: str) -> None:
    threads = {"num": 1, "why": words, "is_busy": False, "is_fixed": False}
    found = _environment(threads=threads, resumed=[{"from": "step-000001", "threads": threads}])
    assert found.threads is not None
    assert (found.threads.why, threads_words(found.threads)) == (code, words)
    assert found.resumed[0].threads == found.threads


def test_checks_and_the_end_of_an_older_trial_are_read() -> None:
    check = {"name": "disk", "state": "warned", "found": "little", "remedy": "make room"}
    why = "after epoch 1 of 6 its best was worse than half of the others'"
    found = _environment(checks=[check], pruned={"epoch": 1, "why": why})
    assert check_words(found.checks[0].name, found.checks[0].state, found.checks[0].facts) == ("little", "make room")
    assert found.pruned is not None
    assert (found.pruned.epoch, found.pruned.epochs) == (1, 6)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", None),
        ("runs/a is not a run directory, so its training comments are unknown", "not_a_run"),
        ("runs/a combines classifiers that were trained on different comments", "combined"),
        ("the training comments of runs/a cannot be read again (a.csv: no such file (at all))", "unreadable"),
        ("the files that runs/a was trained on have changed since", "files_changed"),
        ("something else", "text"),
    ],
)
@pytest.mark.parametrize("schema", [1, 2])
def test_why_an_older_audit_did_not_know_the_training_comments_is_read(
    schema: int, words: str, code: str | None
) -> None:
    suspicion: dict[str, Any] = {
        "classifier": "runs/a",
        "held_out": None,
        "num_scored": 3,
        "num_trained_on": 0,
        "labels": {},
    }
    document = {**AUDIT, "label_errors": {**suspicion, "why_unknown": words}}
    if schema == 2:
        document |= {"schema": 2, "findings": [], "undefined": {}}
    found = Audit.from_content(document, "audit.json").label_errors
    assert found is not None
    assert (found.why_unknown.code if found.why_unknown else None, unknown_training(found)) == (code, words)


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
