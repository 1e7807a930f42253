"""`civility thresholds`: policies become thresholds in the classifier folder; a mistake changes nothing."""

import contextlib
import csv
import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from civility import Classifier
from civility.cli import main
from civility.data.reading import Columns, read_dataset
from civility.data.reading.opening import built_in
from civility.metrics.policy import parse_policy
from civility.metrics.threshold_search import Cuts, choose_threshold

from .conftest import Run

DATA = "civility:starter/held-out"
POLICY = "threat: recall>=0.9; toxic: bands(f1, review<=50 per 1000); default: precision>=0.99"


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "classifier"
    shutil.copytree(trained / "classifier", copy)
    return copy


def sidecar_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "civility.json").read_text(encoding="utf-8"))
    return content


def test_thresholds_are_chosen_written_and_honoured(civility: Run, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = civility("thresholds", folder, "--data", DATA, "--policy", POLICY)
    assert done.code == 0, done.err
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert [name for name in after if after[name] != before.get(name)] == ["civility.json"]
    content, dataset = sidecar_of(folder), built_in(DATA)
    assert content["policies"]["threat"] == "recall>=0.9"
    assert content["policies"]["insult"] == "precision>=0.99"
    assert list(content["review_thresholds"]) == ["toxic"]
    assert set(content["chosen_on"]["thresholds"].values()) == {dataset.comments_digest}
    classifier = Classifier.load(folder)
    scores = classifier.score(dataset.texts)
    flagged = classifier.decide(scores)
    for i, label in enumerate(classifier.labels):
        counts = Cuts.of(dataset.targets[:, i], scores[:, i]).at(classifier.thresholds[label])
        assert counts.flagged == flagged[:, i].sum()
        assert label != "threat" or counts.recall >= 0.9
    assert 0 < 1000 * np.mean(classifier.bands(scores)[:, 0] == 1) <= 50


def test_the_table_fits_and_says_what_cannot_be_met(civility: Run, folder: Path) -> None:
    done = civility("thresholds", folder, "--data", DATA, "--policy", POLICY)
    assert max(map(len, done.out.splitlines()[:-1])) <= 100
    rows = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert rows["threat"].endswith("yes")
    assert "recall>=0.9" in rows["threat"]
    assert "review<=50 per 1000" in done.out
    assert "insult: precision>=0.99 cannot be met: the highest is" in done.out
    assert done.out.splitlines()[-1] == f"  thresholds   {folder / 'civility.json'}"


def test_a_run_directory_has_its_classifier_changed(civility: Run, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    done = civility("thresholds", run, "--data", DATA)
    assert done.code == 0, done.err
    content = sidecar_of(run / "classifier")
    assert set(content["policies"].values()) == {"f1"}
    assert set(content["thresholds"].values()) != {0.5}


def test_check_writes_nothing(civility: Run, folder: Path) -> None:
    before = (folder / "civility.json").read_bytes()
    done = civility("thresholds", folder, "--data", DATA, "--check")
    assert done.code == 0, done.err
    assert "nothing was written (--check)" in done.out
    assert (folder / "civility.json").read_bytes() == before


def test_labels_that_are_not_named_keep_their_threshold(civility: Run, folder: Path) -> None:
    civility("thresholds", folder, "--data", DATA)
    before = sidecar_of(folder)
    done = civility("thresholds", folder, "--data", DATA, "--policy", "threat: fpr<=1%")
    assert done.code == 0, done.err
    after = sidecar_of(folder)
    assert "toxic: stays at" in done.out
    assert after["policies"] == {**before["policies"], "threat": "fpr<=0.01"}
    changed = [label for label in after["thresholds"] if after["thresholds"][label] != before["thresholds"][label]]
    assert changed == ["threat"]


def csv_of(path: Path, rows: list[str], header: str = "id,comment_text,toxic,threat") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_label_of_one_class_keeps_its_threshold_and_says_so(civility: Run, folder: Path, tmp_path: Path) -> None:
    data = csv_of(tmp_path / "some.csv", [f"{i},comment {i} of the film,{i % 2},0" for i in range(30)])
    before = sidecar_of(folder)["thresholds"]
    done = civility("thresholds", folder, "--data", data)
    assert done.code == 0, done.err
    assert "threat keeps its threshold: no positive comment among 30" in done.err
    assert "insult keeps its threshold: its target is unknown for every comment" in done.err
    after = sidecar_of(folder)["thresholds"]
    assert [label for label in after if after[label] != before[label]] == ["toxic"]


@pytest.mark.parametrize("more", [(), ("--calibrate",)], ids=["thresholds", "calibration"])
def test_what_is_written_has_its_digests_again(civility: Run, folder: Path, more: tuple[str, ...]) -> None:
    before = sidecar_of(folder)
    done = civility("thresholds", folder, "--data", "civility:starter/train", "--policy", "default: recall>=0.9", *more)
    assert done.code == 0, done.err
    after = sidecar_of(folder)
    assert after["digest"] != before["digest"]
    assert after["files"] == {
        name: f"sha256:{hashlib.sha256((folder / name).read_bytes()).hexdigest()}" for name in before["files"]
    }
    Classifier.load(folder)


def test_a_threshold_that_is_edited_by_hand_is_taken_without_the_digest(civility: Run, folder: Path) -> None:
    content = sidecar_of(folder)
    content["thresholds"]["toxic"] = 0.9375
    content["policies"].pop("toxic")
    (folder / "civility.json").write_text(json.dumps(content))
    done = civility("thresholds", folder, "--data", DATA, "--policy", "threat: f1")
    assert done.code == 2
    assert 'if the change is intended, delete "digest" from civility.json' in done.words
    del content["digest"]
    (folder / "civility.json").write_text(json.dumps(content))
    done = civility("thresholds", folder, "--data", DATA, "--policy", "threat: f1")
    assert done.code == 0, done.err
    assert sidecar_of(folder)["thresholds"]["toxic"] == 0.9375
    assert sidecar_of(folder)["digest"] != content.get("digest")
    Classifier.load(folder)


def test_numbers_on_the_comments_of_the_calibration_are_called_optimistic(civility: Run, folder: Path) -> None:
    content = {**sidecar_of(folder), "schema": 2, "review_thresholds": {}, "policies": {}, "calibration": {}}
    digest = built_in(DATA).comments_digest
    del content["files"], content["digest"], content["not_chosen_from_data"]
    content["chosen_on"] = {"epoch": digest, "calibration": {"toxic": digest}, "thresholds": {}}
    (folder / "civility.json").write_text(json.dumps(content))
    done = civility("thresholds", folder, "--data", DATA, "--check")
    words = "the epoch and the calibration were chosen on these very comments: the numbers are optimistic"
    assert f"warning: {words}" in done.words
    done = civility("thresholds", folder, "--data", "civility:starter/train", "--check")
    assert words not in done.words, "the control: other comments"


@pytest.mark.parametrize(
    ("rows", "header", "policy", "message"),
    [
        (["1,a comment,1,0"], "", "default: f2", "policy 'default: f2', character 10: 'f2' is not a policy"),
        (["1,a comment,1,0"], "", "treat: f1", "no label 'treat' (did you mean threat?)"),
        (
            ["1,a comment,0,0", "2,another,0,0"],
            "",
            "default: f1",
            "no label has both positive and negative comments: toxic: no positive",
        ),
        (["1,a comment,0,1", "2,another,1,1"], "", "threat: f1", "threat: no negative comment among 2"),
        (["1,a comment"], "id,comment_text", "default: f1", "comments.csv"),
    ],
    ids=["policy", "label", "no positives", "no negatives", "unlabelled"],
)
def test_a_mistake_changes_nothing(
    civility: Run, folder: Path, tmp_path: Path, rows: list[str], header: str, policy: str, message: str
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    data = csv_of(tmp_path / "comments.csv", rows, header or "id,comment_text,toxic,threat")
    done = civility("thresholds", folder, "--data", data, "--policy", policy)
    assert done.code == 2
    assert message in done.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_hub_name_cannot_be_written_to(civility: Run) -> None:
    done = civility("thresholds", "somebody/classifier", "--data", DATA)
    assert done.code == 2
    assert "not a folder on this machine, so thresholds cannot be written into it" in done.err
    assert "--check, to write nothing" in done.err


def test_a_folder_that_may_not_be_written_to_is_told(
    civility: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "civility.json").unlink()
    (folder / "civility.json").mkdir()
    done = civility("thresholds", folder, "--data", DATA)
    assert done.code == 2
    assert "civility.json: a folder, not a file" in done.words


def flagged(folder: Path, texts: list[str]) -> dict[str, list[bool]]:
    classifier = Classifier.load(folder)
    return dict(zip(classifier.labels, classifier.decide(classifier.score(texts)).T.tolist(), strict=True))


@pytest.mark.parametrize("policy", ["default: f1", "threat: recall>=0.9"])
def test_calibrating_anew_leaves_the_decisions_of_labels_without_a_new_threshold(
    civility: Run, folder: Path, tmp_path: Path, policy: str
) -> None:
    corpus = built_in(DATA)
    texts = list(corpus.texts[:200])
    # Not one toxic comment: its threshold stays, and so must the scores that it is on.
    threat = corpus.targets[:200, corpus.labels.index("threat")].astype(int)
    rows = [f'{i},"{text}",0,{threat[i]}' for i, text in enumerate(texts)]
    data = csv_of(tmp_path / "some.csv", rows)
    before, weights = flagged(folder, texts), (folder / "model.safetensors").read_bytes()
    (folder / "LICENSE").write_text("mine")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"x")
    done = civility("thresholds", folder, "--data", data, "--calibrate", "--policy", policy)
    assert done.code == 0, done.err
    after = flagged(folder, texts)
    assert {label: after[label] for label in after if label != "threat"} == {
        label: before[label] for label in before if label != "threat"
    }
    sidecar = sidecar_of(folder)
    assert sidecar["chosen_on"]["calibration"]["threat"] == sidecar["chosen_on"]["thresholds"]["threat"]
    assert sidecar["chosen_on"]["calibration"]["threat"] != sidecar["chosen_on"]["thresholds"].get("toxic")
    assert (folder / "LICENSE").read_text() == "mine"
    assert (folder / "onnx" / "model.onnx").is_file()
    assert (folder / "model.safetensors").read_bytes() != weights, "the control: the calibration is in the head"
    assert not list(folder.parent.glob(".*partial"))


def test_the_folder_may_be_where_one_stands(civility: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    done = civility("thresholds", ".", "--data", DATA, "--calibrate")
    assert done.code == 0, done.err
    assert sidecar_of(folder)["chosen_on"]["calibration"]


def test_a_policy_for_one_label_leaves_the_marks_of_the_others(civility: Run, folder: Path) -> None:
    assert civility("thresholds", folder, "--data", DATA).code == 0
    first = sidecar_of(folder)["chosen_on"]["thresholds"]
    assert civility("thresholds", folder, "--data", "civility:starter/train", "--policy", "threat: f1").code == 0
    second = sidecar_of(folder)["chosen_on"]["thresholds"]
    assert [label for label in first if second[label] != first[label]] == ["threat"]


@pytest.mark.parametrize("calibrate", [[], ["--calibrate"]], ids=["thresholds alone", "calibrate"])
def test_without_a_policy_each_label_keeps_its_own(civility: Run, folder: Path, calibrate: list[str]) -> None:
    assert civility("thresholds", folder, "--data", DATA, "--policy", POLICY).code == 0
    before = sidecar_of(folder)["policies"]
    assert len(set(before.values())) > 1
    changed = sidecar_of(folder)
    del changed["policies"]["insult"], changed["digest"]  # a threshold by hand
    (folder / "civility.json").write_text(json.dumps(changed), encoding="utf-8")
    done = civility("thresholds", folder, "--data", DATA, *calibrate)
    assert done.code == 0, done.err
    assert sidecar_of(folder)["policies"] == {**before, "insult": "f1"}


def test_without_data_the_held_out_comments_are_used(civility: Run, trained: Path, tmp_path: Path) -> None:
    done = civility("thresholds", trained, "--check", "--policy", "default: precision>=0.9")
    assert done.code == 0, done.err
    assert "the epoch and the calibration were chosen on these very comments" in done.err
    done = civility("thresholds", trained / "classifier", "--check")
    assert done.code == 2
    assert "not a run directory" in done.err


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A run whose 300 validation comments have a single threat, which ranks low, and no insult; and what it printed."""
    folder = tmp_path_factory.mktemp("rare")
    corpus = built_in(DATA)
    benign = int(np.flatnonzero((corpus.targets == 0).all(axis=1))[0])
    data = folder / "rare.csv"
    with data.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "comment_text", *corpus.labels])
        for row in range(300):
            targets = dict(zip(corpus.labels, corpus.targets[row].astype(int).tolist(), strict=True))
            often = dict.fromkeys(("severe_toxic", "obscene", "identity_hate"), targets["toxic"])
            targets |= {**often, "threat": int(row == benign), "insult": 0}
            writer.writerow([row, corpus.texts[row], *targets.values()])
    words = io.StringIO()
    arguments = ("train", "fast", "--data", "civility:starter/train", "--validation", data, "--out", folder / "run")
    with contextlib.redirect_stdout(words), pytest.raises(SystemExit) as stop:
        main([*map(str, arguments), "--set", "linear.max_features=2000"])
    assert not stop.value.code
    return folder / "run", data, " ".join(words.getvalue().split())


WARNING = "The thresholds were not chosen from data, for lack of positive or negative comments: threat, insult."


def test_a_single_positive_neither_floods_the_queue_nor_goes_unsaid(
    civility: Run, rare: tuple[Path, Path, str], tmp_path: Path
) -> None:
    run, data, screen = rare
    classifier = Classifier.load(run)
    comments = read_dataset([str(data)], Columns()).dataset
    threat = classifier.labels.index("threat")
    scores = classifier.score(comments.texts)
    plain = choose_threshold(parse_policy("f1"), Cuts.of(comments.targets[:, threat], scores[:, threat]))
    assert plain.counts.flagged > 50, "the control: what the policy alone takes"
    assert classifier.decide(scores)[:, threat].sum() <= 1
    content = sidecar_of(run / "classifier")
    assert content["not_chosen_from_data"] == ["threat", "insult"]
    assert content["policies"]["threat"] == "f1"
    assert content["thresholds"]["insult"] == 0.5
    assert WARNING in screen
    report = json.loads((run / "reports" / "validation.json").read_text(encoding="utf-8"))
    assert report["not_chosen_from_data"] == ["threat", "insult"]
    markdown = (run / "reports" / "validation.md").read_text(encoding="utf-8")
    assert markdown.index(WARNING) < markdown.index("| label |")
    page = (run / "reports" / "validation.html").read_text(encoding="utf-8")
    assert page.index(WARNING) < page.index("</header>")
    assert WARNING in (run / "classifier" / "README.md").read_text(encoding="utf-8")
    done = civility("predict", run, "--data", data, "--out", tmp_path / "decided.csv", "--decisions")
    assert f"warning: {WARNING}" in done.words
    done = civility("predict", run, "--data", data, "--out", tmp_path / "scores.csv")
    assert "not chosen from data" not in done.words, "the control: without decisions"
    done = civility("evaluate", run, "--data", DATA, "--resamples", "100", "--out", tmp_path)
    assert WARNING in " ".join(done.out.split())


def test_enough_comments_take_the_mark_away_and_too_few_leave_it(
    civility: Run, rare: tuple[Path, Path, str], tmp_path: Path
) -> None:
    run, data, _ = rare
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    done = civility("thresholds", copy, "--data", data, "--calibrate")
    assert done.code == 0, done.err
    screen = " ".join(done.out.split())
    assert "threat: not chosen from data: with 1 positive comment, F1 at the threshold of f1 may be anything" in screen
    assert WARNING in screen
    assert sidecar_of(copy / "classifier")["not_chosen_from_data"] == ["threat", "insult"]
    done = civility("thresholds", copy, "--data", "civility:starter/train", "--policy", "threat: f1")
    assert done.code == 0, done.err
    assert "The threshold was not chosen from data, for lack of positive or negative comments: insult." in " ".join(
        done.out.split()
    )
    assert sidecar_of(copy / "classifier")["not_chosen_from_data"] == ["insult"]


def test_an_ensemble_has_marks_of_its_own(civility: Run, rare: tuple[Path, Path, str], tmp_path: Path) -> None:
    run, data, _ = rare
    copy, out = tmp_path / "copy", tmp_path / "both"
    shutil.copytree(run, copy)
    done = civility("ensemble", run, copy, "--data", data, "--out", out)
    assert done.code == 0, done.err
    assert WARNING in " ".join(done.out.split())
    assert sidecar_of(out / "classifier")["not_chosen_from_data"] == ["threat", "insult"]
    assert WARNING in (out / "classifier" / "README.md").read_text(encoding="utf-8")
    done = civility("ensemble", run, copy, "--data", "civility:starter/train", "--out", tmp_path / "more")
    assert sidecar_of(tmp_path / "more" / "classifier")["not_chosen_from_data"] == [], "the control: more comments"
