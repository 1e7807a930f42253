"""civility.json: what is written is read back, older files are read, and damage is reported."""

import json
from pathlib import Path
from typing import Any

import pytest

from civility.documents.classifier_file import NOT_KNOWN, ChosenOn, ClassifierFile, Kind, calibration_entry
from civility.metrics.calibration import LabelCalibration

from ..refusals import refused

LABELS = ("toxic", "threat", 'odd "name": é', "lone \udc80")
THRESHOLDS = {"toxic": 0.25, "threat": 1.0, LABELS[2]: 0.1 + 0.2, LABELS[3]: 0.5}
LEAST: dict[str, Any] = {
    "kind": "encoder",
    "labels": LABELS,
    "thresholds": THRESHOLDS,
    "review_thresholds": {},
    "policies": {},
    "calibration": {},
    "max_length": 1,
    "chosen_on": NOT_KNOWN,
}
PLATT = calibration_entry(LabelCalibration("platt", 1 / 3, -0.1), in_head=True)
ISOTONIC = calibration_entry(LabelCalibration("isotonic", x=(-1.0, 1 / 3), y=(0.1, 0.2)), in_head=False)
WHOLE = ClassifierFile(
    **LEAST
    | {
        "max_length": 128,
        "review_thresholds": {"toxic": 0.125},
        "policies": {"toxic": "bands(f1, review<=20 per 1000)"},
        "calibration": {"toxic": PLATT, "threat": ISOTONIC},
        "chosen_on": ChosenOn(epoch="sha256:1", calibration={"toxic": "sha256:1"}, thresholds={"toxic": "sha256:2"}),
        "files": {"model.safetensors": "sha256:" + "0a" * 32},
        "not_chosen_from_data": ("threat",),
    }
)
OLDER = WHOLE.model_copy(update={"files": {}, "not_chosen_from_data": ()})
ADDED_LATER = ("files", "not_chosen_from_data", "digest")


def content_of(file: ClassifierFile, without: tuple[str, ...] = ("digest",), **changes: Any) -> dict[str, Any]:
    """Return the content of the file without its digest, which would reveal any change."""
    content = {**json.loads(file.to_json()), **changes}
    return {key: value for key, value in content.items() if key not in without}


@pytest.mark.parametrize("file", [WHOLE, ClassifierFile(**LEAST)], ids=["whole", "least"])
def test_what_is_written_is_read_back(tmp_path: Path, file: ClassifierFile) -> None:
    path = tmp_path / "civility.json"
    path.write_text(file.to_json(), encoding="utf-8")
    assert ClassifierFile.read(path) == file
    assert json.loads(file.to_json())["schema"] == 5


def test_a_calibration_records_whether_it_is_in_the_head() -> None:
    calibration = json.loads(WHOLE.to_json())["calibration"]
    assert calibration["toxic"] == {"method": "platt", "scale": 1 / 3, "shift": -0.1, "in_head": True}
    assert calibration["threat"]["in_head"] is False
    assert WHOLE.in_head == {"toxic"}
    assert WHOLE.calibrations["threat"] == LabelCalibration("isotonic", x=(-1.0, 1 / 3), y=(0.1, 0.2))


def test_schema_1_is_read_as_uncalibrated(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    content = {"schema": 1, "labels": list(LABELS), "thresholds": THRESHOLDS, "max_length": 64}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert ClassifierFile.read(path) == ClassifierFile(**LEAST | {"max_length": 64})


def test_schema_2_is_read_as_an_encoder(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text(json.dumps(content_of(WHOLE, ("kind", *ADDED_LATER), schema=2)), encoding="utf-8")
    assert ClassifierFile.read(path) == OLDER


def test_schema_3_is_read_without_digests(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text(json.dumps(content_of(WHOLE, ADDED_LATER, schema=3)), encoding="utf-8")
    assert ClassifierFile.read(path) == OLDER


def test_schema_4_is_read_as_if_data_had_chosen_every_threshold(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text(json.dumps(content_of(WHOLE, ("not_chosen_from_data", "digest"), schema=4)), encoding="utf-8")
    assert ClassifierFile.read(path) == WHOLE.model_copy(update={"not_chosen_from_data": ()})
    path.write_text(json.dumps(content_of(WHOLE, schema=4)), encoding="utf-8")
    with refused("documents.damaged", "schema 4 has no entry 'not_chosen_from_data'"):
        ClassifierFile.read(path)


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_an_older_schema_does_not_disable_the_digests(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "civility.json"
    path.write_text(WHOLE.to_json().replace('"schema": 5', f'"schema": {schema}'), encoding="utf-8")
    with refused("documents.edited", "its digest does not match"):
        ClassifierFile.read(path)
    path.write_text(json.dumps(content_of(WHOLE, ("not_chosen_from_data", "digest"), schema=schema)), encoding="utf-8")
    with refused("documents.damaged", f"schema {schema} has no entry 'files'"):
        ClassifierFile.read(path)


def test_the_digest_reveals_a_change_but_ignores_white_space_and_order(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text(WHOLE.to_json().replace("0.25", "0.26"), encoding="utf-8")
    with refused(
        "documents.edited",
        r'its digest does not match\n.*if the change is intended, delete "digest" from civility.json$',
    ):
        ClassifierFile.read(path)
    path.write_text(json.dumps(json.loads(WHOLE.to_json()), sort_keys=True), encoding="utf-8")
    assert ClassifierFile.read(path) == WHOLE
    path.write_text(json.dumps(content_of(WHOLE, thresholds={**THRESHOLDS, "toxic": 0.75})), encoding="utf-8")
    assert ClassifierFile.read(path).thresholds["toxic"] == 0.75, "edited by hand: without a digest nothing is compared"


@pytest.mark.parametrize("kind", ["linear", "ensemble"])
def test_other_kinds_need_no_maximum_length(tmp_path: Path, kind: Kind) -> None:
    file = ClassifierFile(**LEAST | {"kind": kind, "max_length": 0})
    path = tmp_path / "civility.json"
    path.write_text(file.to_json(), encoding="utf-8")
    assert ClassifierFile.read(path) == file


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text('{"schema": 6}')
    with refused("documents.newer", r"civility\.json: written by a newer civility \(schema 6.*\nupgrade civility"):
        ClassifierFile.read(path)


@pytest.mark.parametrize("content", ['{"schema": 1}', '{"schema": 1, "labels": ["a"], "thresholds": {}}'])
def test_an_incomplete_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "civility.json"
    path.write_text(content, encoding="utf-8")
    with refused("documents.damaged", r"civility\.json: damaged: \w+: Field required"):
        ClassifierFile.read(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{}", "schema number"),
        ('{"schema": "5"}', "schema number"),
        ('{"schema": 0}', "schema number"),
        ('{"schema": 2}', "labels, thresholds, "),
        ('{"schema": 3}', "kind, labels, thresholds, "),
    ],
)
def test_another_document_is_refused(tmp_path: Path, content: str, what: str) -> None:
    path = tmp_path / "civility.json"
    path.write_text(content, encoding="utf-8")
    with refused("documents.not-a-document", rf"civility\.json: not a civility classifier file: it has no {what}"):
        ClassifierFile.read(path)


ENTRY = {"method": "platt", "scale": 1, "shift": 0, "in_head": False}
KNOTS = {"method": "isotonic", "x": [0, 1], "y": [0.1, 0.2], "in_head": False}
NUMBER = "expected a number"
DAMAGE: dict[str, tuple[str, Any, str]] = {
    "threshold": ("thresholds", {**THRESHOLDS, "toxic": 1.5}, "thresholds.toxic: expected at most"),
    "threshold of text": ("thresholds", {**THRESHOLDS, "toxic": "high"}, f"thresholds.toxic: {NUMBER}"),
    "threshold of digits": ("thresholds", {**THRESHOLDS, "toxic": "0.5"}, f"thresholds.toxic: {NUMBER}"),
    "threshold of truth": ("thresholds", {**THRESHOLDS, "toxic": True}, f"thresholds.toxic: {NUMBER}"),
    "review threshold": ("review_thresholds", {"toxic": -0.1}, "review_thresholds.toxic: expected at least"),
    "long": ("max_length", 10**9, "max_length: expected at most 1,000,000"),
    "length of text": ("max_length", "128", "max_length: expected a whole number"),
    "length of truth": ("max_length", True, "max_length: expected a whole number"),
    "large scale": ("calibration", {"toxic": {**ENTRY, "scale": 1e49}}, "scale: expected at most"),
    "small scale": ("calibration", {"toxic": {**ENTRY, "scale": 1e-41}}, "scale: expected at least"),
    "large shift": ("calibration", {"toxic": {**ENTRY, "shift": -1e31}}, "shift: expected at least"),
    "scale of text": ("calibration", {"toxic": {**ENTRY, "scale": "1"}}, f"scale: {NUMBER}"),
    "scale of truth": ("calibration", {"toxic": {**ENTRY, "scale": True}}, f"scale: {NUMBER}"),
    "unknown entry": ("treshold", {}, "treshold: Extra inputs are not permitted"),
    "no digest": ("files", {"config.json": "sha256:0"}, "not a sha256 digest"),
    "file elsewhere": ("files", {"../config.json": "sha256:" + "0" * 64}, "not the name of a file in this folder"),
    "review above": ("review_thresholds", {"toxic": 0.3}, "the review threshold of toxic is above its threshold"),
    "review of another": ("review_thresholds", {"rude": 0.3}, "do not have the labels"),
    "policy of another": ("policies", {"rude": "f1"}, "do not have the labels"),
    "policies": ("policies", [], "policies: expected a table"),
    "policy of number": ("policies", {"toxic": 1}, "policies.toxic: expected a string"),
    "labels": ("labels", "toxic", "labels: expected a list"),
    "label of number": ("labels", [1], "labels.0: expected a string"),
    "a missing threshold": ("thresholds", {}, "do not have the labels"),
    "calibration of list": ("calibration", {"toxic": []}, "calibration.toxic: expected a table"),
    "no scale": ("calibration", {"toxic": {"method": "platt", "shift": 0, "in_head": False}}, "scale: Field required"),
    "knots": ("calibration", {"toxic": {**KNOTS, "x": 1}}, "x: expected a list"),
    "knots that fall": ("calibration", {"toxic": {**KNOTS, "x": [1, 0]}}, "increasing logits"),
    "mark of another": ("not_chosen_from_data", ["rude"], "do not have the labels"),
    "mark of text": ("not_chosen_from_data", "threat", "not_chosen_from_data: expected a list"),
    "length": ("max_length", 0, "max_length is 0"),
    "kind": ("kind", "magic", "kind: expected 'encoder', 'linear' or 'ensemble'"),
    "method": ("calibration", {"toxic": {**ENTRY, "method": "magic"}}, "'magic' .* does not match any of the expected"),
    "scale": ("calibration", {"toxic": {**ENTRY, "scale": -1}}, "scale: expected at least"),
    "in_head": ("calibration", {"toxic": {"method": "platt", "scale": 1, "shift": 0}}, "in_head: Field required"),
    "isotonic in head": ("calibration", {"toxic": {**KNOTS, "in_head": True}}, "in_head: expected False"),
    "calibration of another": ("calibration", {"rude": ENTRY}, "do not have the labels"),
    "chosen_on": ("chosen_on", None, "chosen_on: expected"),
    "parts of chosen_on": ("chosen_on", {"epoch": ""}, "chosen_on.calibration: Field required"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_entry_is_refused(tmp_path: Path, name: str) -> None:
    key, value, message = DAMAGE[name]
    path = tmp_path / "civility.json"
    path.write_text(json.dumps(content_of(WHOLE, **{key: value})), encoding="utf-8")
    with refused("documents.damaged", f"damaged: .*{message}"):
        ClassifierFile.read(path)
