"""civility.json: what is written is read back, older files are read, and damage is told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.scoring.sidecar import ChosenOn, Kind, Sidecar

LABELS = ("toxic", "threat", 'odd "name": é')
THRESHOLDS = {"toxic": 0.25, "threat": 1.0, 'odd "name": é': 0.1 + 0.2}
WHOLE = Sidecar(
    LABELS,
    THRESHOLDS,
    128,
    review_thresholds={"toxic": 0.125},
    policies={"toxic": "bands(f1, review<=20 per 1000)"},
    calibration={
        "toxic": LabelCalibration("platt", 1 / 3, -0.1),
        "threat": LabelCalibration("isotonic", x=(-1.0, 1 / 3), y=(0.1, 0.2)),
    },
    in_head=frozenset({"toxic"}),
    chosen_on=ChosenOn("sha256:1", {"toxic": "sha256:1"}, {"toxic": "sha256:2"}),
    files={"model.safetensors": "0a" * 32},
    not_chosen_from_data=frozenset({"threat"}),
)
OLDER = replace(WHOLE, files={}, not_chosen_from_data=frozenset())
LATER = ("files", "not_chosen_from_data", "digest")


def content_of(sidecar: Sidecar, without: tuple[str, ...] = ("digest",), **changes: Any) -> dict[str, Any]:
    """Return what the file says, without its digest, so that a change is not found by that alone."""
    content = {**json.loads(sidecar.to_json()), **changes}
    return {key: value for key, value in content.items() if key not in without}


@pytest.mark.parametrize("sidecar", [WHOLE, Sidecar(LABELS, THRESHOLDS, 1)], ids=["whole", "least"])
def test_it_goes_there_and_back(tmp_path: Path, sidecar: Sidecar) -> None:
    path = tmp_path / "civility.json"
    path.write_text(sidecar.to_json(), encoding="utf-8")
    assert Sidecar.read(path) == sidecar
    assert json.loads(sidecar.to_json())["schema"] == 5


def test_what_is_in_the_head_is_said(tmp_path: Path) -> None:
    calibration = json.loads(WHOLE.to_json())["calibration"]
    assert calibration["toxic"] == {"method": "platt", "scale": 1 / 3, "shift": -0.1, "in_head": True}
    assert calibration["threat"]["in_head"] is False


def test_schema_1_is_read_as_uncalibrated(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    content = {"schema": 1, "labels": list(LABELS), "thresholds": THRESHOLDS, "max_length": 64}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert Sidecar.read(path) == Sidecar(LABELS, THRESHOLDS, 64)


def test_schema_2_is_read_as_an_encoder(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    content = content_of(WHOLE, ("kind", *LATER), schema=2)
    path.write_text(json.dumps(content), encoding="utf-8")
    assert Sidecar.read(path) == OLDER


def test_schema_3_is_read_without_digests(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text(json.dumps(content_of(WHOLE, LATER, schema=3)), encoding="utf-8")
    assert Sidecar.read(path) == OLDER


def test_schema_4_is_read_as_if_data_had_chosen_every_threshold(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text(json.dumps(content_of(WHOLE, ("not_chosen_from_data", "digest"), schema=4)), encoding="utf-8")
    assert Sidecar.read(path) == replace(WHOLE, not_chosen_from_data=frozenset())
    path.write_text(json.dumps(content_of(WHOLE, schema=4)), encoding="utf-8")
    with pytest.raises(UserError, match="unknown entry 'not_chosen_from_data'"):
        Sidecar.read(path)


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_an_older_schema_has_no_digests_that_could_be_passed_over(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "civility.json"
    path.write_text(WHOLE.to_json().replace('"schema": 5', f'"schema": {schema}'), encoding="utf-8")
    with pytest.raises(UserError, match="changed since it was written"):
        Sidecar.read(path)
    path.write_text(json.dumps(content_of(WHOLE, ("not_chosen_from_data", "digest"), schema=schema)), encoding="utf-8")
    with pytest.raises(UserError, match="unknown entry 'files'"):
        Sidecar.read(path)


def test_a_change_is_found_by_the_digest_and_spaces_are_not_one(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text(WHOLE.to_json().replace("0.25", "0.26"), encoding="utf-8")
    with pytest.raises(
        UserError, match=r'it does not match its digest\n.*if the change is meant, delete "digest" from civility.json$'
    ):
        Sidecar.read(path)
    path.write_text(json.dumps(json.loads(WHOLE.to_json()), sort_keys=True), encoding="utf-8")
    assert Sidecar.read(path) == WHOLE
    path.write_text(json.dumps(content_of(WHOLE, thresholds={**THRESHOLDS, "toxic": 0.75})), encoding="utf-8")
    assert Sidecar.read(path).thresholds["toxic"] == 0.75, "changed by hand: without a digest nothing is compared"


@pytest.mark.parametrize("kind", ["linear", "ensemble"])
def test_other_kinds_need_not_cut(tmp_path: Path, kind: Kind) -> None:
    sidecar = Sidecar(LABELS, THRESHOLDS, 0, kind=kind)
    path = tmp_path / "civility.json"
    path.write_text(sidecar.to_json(), encoding="utf-8")
    assert Sidecar.read(path) == sidecar


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "civility.json"
    path.write_text('{"schema": 6}')
    with pytest.raises(UserError, match=r"civility\.json: schema 6, this version reads 1 to 5\nupgrade civility"):
        Sidecar.read(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"schema": 1}',
        '{"schema": 1, "labels": ["a"], "thresholds": {}}',
        '{"schema": 2}',
        '{"schema": 3}',
    ],
)
def test_an_incomplete_file_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "civility.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"civility\.json: damaged"):
        Sidecar.read(path)


PLATT = {"method": "platt", "scale": 1, "shift": 0, "in_head": False}
DAMAGE: dict[str, tuple[str, Any, str]] = {
    "threshold": ("thresholds", {**THRESHOLDS, "toxic": 1.5}, "threshold of toxic: expected a number from 0 to 1"),
    "threshold of text": ("thresholds", {**THRESHOLDS, "toxic": "high"}, "expected a number from 0 to 1, found 'high'"),
    "threshold of truth": ("thresholds", {**THRESHOLDS, "toxic": True}, "expected a number from 0 to 1, found True"),
    "review threshold": ("review_thresholds", {"toxic": -0.1}, "threshold of toxic: expected a number from 0 to 1"),
    "schema of text": ("schema", "5", "schema: expected a whole number"),
    "schema 0": ("schema", 0, "schema: expected a whole number"),
    "long": ("max_length", 10**9, "max_length: expected a whole number from 0 to 1000000"),
    "length of text": ("max_length", "128", "max_length: expected a whole number"),
    "large scale": (
        "calibration",
        {"toxic": {**PLATT, "scale": 1e60}},
        "calibration scale: expected a number from 1e-40",
    ),
    "large shift": (
        "calibration",
        {"toxic": {**PLATT, "shift": -1e60}},
        "calibration shift: expected a number from -1e.30",
    ),
    "unknown entry": ("treshold", {}, "unknown entry 'treshold'"),
    "no digest": ("files", {"config.json": "sha256:0"}, "'config.json' has 'sha256:0' in place of a digest"),
    "file elsewhere": ("files", {"../config.json": "sha256:" + "0" * 64}, "in place of a digest"),
    "review above": ("review_thresholds", {"toxic": 0.3}, "the review threshold of toxic is above its threshold"),
    "review of another": ("review_thresholds", {"rude": 0.3}, "names other labels"),
    "policy of another": ("policies", {"rude": "f1"}, "names other labels"),
    "policies": ("policies", [], r"damaged: policies: expected an object, found \[\]"),
    "policy of number": ("policies", {"toxic": 1}, "damaged: toxic: expected a text, found 1"),
    "labels": ("labels", "toxic", "damaged: labels: expected a list, found 'toxic'"),
    "label of number": ("labels", [1], "damaged: labels: expected a list of texts, found 1 in it"),
    "a threshold less": ("thresholds", {}, "names other labels"),
    "calibration of list": ("calibration", {"toxic": []}, "expected an object with 'method', found"),
    "no scale": (
        "calibration",
        {"toxic": {"method": "platt", "in_head": False}},
        "calibration scale: expected a number",
    ),
    "knots": ("calibration", {"toxic": {"method": "isotonic", "x": 1, "y": [1]}}, "x: expected a list, found 1"),
    "float32": (
        "calibration",
        {"toxic": {**PLATT, "scale": 1e49}},
        "calibration scale: expected a number from 1e-40 to 1e.30",
    ),
    "mark of another": ("not_chosen_from_data", ["rude"], "names other labels"),
    "mark of text": ("not_chosen_from_data", "threat", "not_chosen_from_data: expected a list, found 'threat'"),
    "length": ("max_length", 0, "max_length is below 1"),
    "kind": ("kind", "magic", "kind 'magic', expected one of encoder, linear, ensemble"),
    "method": ("calibration", {"toxic": {**PLATT, "method": "magic"}}, "calibration method 'magic'"),
    "scale": ("calibration", {"toxic": {**PLATT, "scale": -1}}, "calibration scale: expected a number"),
    "in_head": ("calibration", {"toxic": {"method": "platt", "scale": 1, "shift": 0}}, "damaged: 'in_head' is missing"),
    "isotonic in head": (
        "calibration",
        {"toxic": {"method": "isotonic", "x": [0, 1], "y": [0.1, 0.2], "in_head": True}},
        "that no head can take",
    ),
    "calibration of another": ("calibration", {"rude": PLATT}, "names other labels"),
    "chosen_on": ("chosen_on", None, "damaged: chosen_on: expected an object, found None"),
    "parts of chosen_on": ("chosen_on", {"epoch": ""}, "damaged: 'calibration' is missing"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_entry_is_told(tmp_path: Path, name: str) -> None:
    key, value, message = DAMAGE[name]
    path = tmp_path / "civility.json"
    path.write_text(json.dumps(content_of(WHOLE, **{key: value})), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        Sidecar.read(path)
