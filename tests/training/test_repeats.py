"""Several runs: seeds on one split, folds whose scores no run was trained on, kept and resumed when repeated."""

import csv
import json
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from civility import Classifier
from civility.data.dataset import text_digests
from civility.data.prepare import PreparedData, prepare_all
from civility.documents.repeats_summary import RepeatsSummary, Variation
from civility.engine.progress import StepDone
from civility.errors import Interrupted, UserError
from civility.metrics.ranking import roc_auc
from civility.run import RunDirectory
from civility.run.repeats_folder import Repeat, RepeatsFolder, repeats_on_folds, repeats_with_seeds
from civility.run.seen_comments import Seen, seen_by
from civility.training.events import Event
from civility.training.repeats import Done, Turn, gather_out_of_fold, summarise, train_several

from ..conftest import differing
from ..refusals import refused
from .conftest import Small

ONE = {"training__epochs": 1}
FOLDS = {**ONE, "evaluation__calibration": "none"}


def data_of(members: Sequence[Repeat]) -> tuple[PreparedData, ...]:
    return prepare_all([member.recipe.wanted for member in members])


def several(members: Sequence[Repeat], out: Path, **more: Any) -> Done:
    return train_several(members, data_of(members), out, **more)


@pytest.fixture(scope="module")
def with_copies(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comments of the small job, and each fourth of them once more in capitals, in another place of the file."""
    path = tmp_path_factory.mktemp("copies") / "comments.csv"
    with Path(small.base["data.files"][0]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    copies = [{**row, "id": f"copy of {row['id']}", "comment_text": row["comment_text"].upper()} for row in rows[::4]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*copies, *rows])
    return path


@pytest.fixture(scope="module")
def folds(small: Small, with_copies: Path) -> tuple[Repeat, ...]:
    return repeats_on_folds(small.recipe(**FOLDS, data__files=[str(with_copies)]), 3)


@pytest.fixture(scope="module")
def on_folds(folds: tuple[Repeat, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    out = tmp_path_factory.mktemp("folds") / "out"
    return out, several(folds, out)


@pytest.fixture(scope="module")
def seeds(small: Small) -> tuple[Repeat, ...]:
    return repeats_with_seeds(small.recipe(**ONE), 2)


@pytest.fixture(scope="module")
def with_seeds(seeds: tuple[Repeat, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    out = tmp_path_factory.mktemp("seeds") / "out"
    return out, several(seeds, out)


def test_seeds_share_a_split_and_nothing_else(with_seeds: tuple[Path, Done], small: Small) -> None:
    out, _ = with_seeds
    runs = [RunDirectory(out / name) for name in ("seed-42", "seed-43")]
    recipes = [run.load_recipe() for run in runs]
    assert [(recipe.seed, recipe.data.split_seed) for recipe in recipes] == [(42, 42), (43, 42)]
    first, other = (run.environment().data for run in runs)
    assert first == other
    plain = small.prepare(small.recipe(seed=43))
    assert plain.validation.digest != first.validation.digest, "the control: by its own seed another split"
    assert "classifier/model.safetensors" in differing(runs[0].path, runs[1].path)
    assert sorted(path.name for path in out.iterdir()) == ["seed-42", "seed-43", "summary.json"]


def test_a_member_is_the_run_that_its_recipe_alone_would_be(
    with_seeds: tuple[Path, Done], seeds: tuple[Repeat, ...], tmp_path: Path
) -> None:
    out, _ = with_seeds
    small_alone = tmp_path / "seed-43"
    several(seeds[1:], tmp_path)
    assert differing(out / "seed-43", small_alone) == []


def test_the_summary_holds_mean_and_spread_of_each_label(with_seeds: tuple[Path, Done]) -> None:
    out, done = with_seeds
    written = json.loads((out / "summary.json").read_text())
    assert written["runs"] == ["seed-42", "seed-43"]
    reports = [json.loads((out / name / "reports" / "validation.json").read_text()) for name in written["runs"]]
    for metric in ("roc_auc", "average_precision"):
        rows = written["metrics"][metric]
        assert list(rows) == ["macro", *reports[0]["labels"]]
        values = [report["macro"][metric]["value"] for report in reports]
        assert rows["macro"]["values"] == values
        assert rows["macro"]["mean"] == pytest.approx(np.mean(values))
        assert rows["macro"]["sd"] == pytest.approx(np.std(values, ddof=1))
        insults = [report["labels"]["insult"][metric]["value"] for report in reports]
        assert rows["insult"]["values"] == insults
    assert RepeatsSummary.read(out / "summary.json") == done.summary
    assert done.summary.metrics["roc_auc"]["macro"].mean == written["metrics"]["roc_auc"]["macro"]["mean"]
    assert done.report is None


def test_undefined_numbers_are_left_out_of_mean_and_standard_deviation() -> None:
    variation = Variation.of([0.5, None, 1.0])
    assert (variation.values, variation.mean) == ((0.5, None, 1.0), 0.75)
    assert variation.sd == pytest.approx(np.std([0.5, 1.0], ddof=1))
    assert Variation.of([None, None]).mean is None
    assert Variation.of([0.5]).sd is None
    with pytest.raises(IndexError):
        summarise([], [])


def test_no_comment_is_scored_by_a_run_that_was_trained_on_its_equal(
    on_folds: tuple[Path, Done], folds: tuple[Repeat, ...]
) -> None:
    out, _ = on_folds
    data = data_of(folds)
    whole = data[0].training.joined(data[0].validation)
    table = pq.read_table(out / "out-of-fold.parquet").to_pydict()
    text_of = dict(zip(whole.ids, whole.texts, strict=True))
    assert sorted(table["id"]) == sorted(whole.ids)
    assert set(table["fold"]) == {1, 2, 3}
    for number, member in enumerate(folds, start=1):
        texts = [text_of[id] for id, fold in zip(table["id"], table["fold"], strict=True) if fold == number]
        # What the run says itself of what it was trained on, proven by the digests that it recorded.
        seen = seen_by(str(out / member.name), texts)
        assert isinstance(seen, Seen)
        assert not seen.trained.any()
        assert seen.validated.all()
        others = [text_of[id] for id, fold in zip(table["id"], table["fold"], strict=True) if fold != number]
        seen = seen_by(str(out / member.name), others)
        assert isinstance(seen, Seen)
        assert seen.trained.all(), "the control: it was trained on all others"
    digests = text_digests([text_of[id] for id in table["id"]])
    at_random = np.random.default_rng(0).integers(3, size=len(digests))
    leaks = [np.isin(digests[at_random == fold], digests[at_random != fold]).sum() for fold in range(3)]
    assert sum(leaks) > 5, "the control: folds that part equal texts would leak"


def test_out_of_fold_scores_are_those_of_the_fold_in_the_order_of_the_file(
    on_folds: tuple[Path, Done], folds: tuple[Repeat, ...], with_copies: Path
) -> None:
    out, _ = on_folds
    table = pq.read_table(out / "out-of-fold.parquet")
    with with_copies.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert table["id"].to_pylist() == [row["id"] for row in rows]
    labels = folds[0].recipe.data.labels
    assert table.column_names == [
        "id",
        *(f"{kind}:{label}" for kind in ("target", "score") for label in labels),
        "fold",
    ]
    scores, targets = (np.stack([table[f"{kind}:{label}"] for label in labels], axis=1) for kind in ("score", "target"))
    np.testing.assert_array_equal(targets, [[float(row[label]) for label in labels] for row in rows])
    by_run = np.stack([Classifier.load(out / m.name).score([row["comment_text"] for row in rows]) for m in folds])
    fold = table["fold"].to_numpy()
    np.testing.assert_allclose(scores, by_run[fold - 1, np.arange(len(rows))], atol=1e-5)
    assert np.abs(scores - by_run[fold % 3, np.arange(len(rows))]).max() > 1e-3, (
        "the control: another run scores others"
    )


def test_the_report_is_on_the_scores_of_all_folds_together(on_folds: tuple[Path, Done]) -> None:
    out, done = on_folds
    assert done.report is not None
    assert {"report.json", "report.html", "report.md", "summary.json"} <= {path.name for path in out.iterdir()}
    written = json.loads((out / "report.json").read_text())
    assert written["data"]["num_comments"] == 100
    assert written["notes"][0]["text"] == "every comment is scored by one of 3 runs that was not trained on it"
    assert written["optimistic"] == ["epoch", "thresholds"]
    table = pq.read_table(out / "out-of-fold.parquet")
    expected = roc_auc(table["target:toxic"].to_numpy(), table["score:toxic"].to_numpy())
    assert written["labels"]["toxic"]["roc_auc"]["value"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("stopped_in", [1, 2])
def test_a_command_that_was_cut_is_resumed(
    with_seeds: tuple[Path, Done], seeds: tuple[Repeat, ...], tmp_path: Path, stopped_in: int
) -> None:
    whole, _ = with_seeds
    out = tmp_path / "out"

    def listen_to(turn: Turn) -> Callable[[Event], None]:
        def listen(event: Event) -> None:
            if turn.number == stopped_in and isinstance(event, StepDone) and event.step == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        return listen

    with pytest.raises(Interrupted) as stop:
        several(seeds, out, listen_to=listen_to)
    assert stop.value.message.startswith(f"seed-{41 + stopped_in}: stopped after step 3, saved in")
    assert stop.value.message.endswith("\nto resume: repeat the command with --resume")
    assert not (out / "summary.json").exists()
    turns: list[Turn] = []

    def hear(turn: Turn) -> Callable[[Event], None]:
        turns.append(turn)
        return lambda event: None

    several(seeds, out, begin="resume", listen_to=hear)
    assert [turn.begin for turn in turns] == (["resume", "new"] if stopped_in == 1 else ["kept", "resume"])
    for name in ("seed-42", "seed-43"):
        assert differing(whole / name, out / name) == []
    assert (out / "summary.json").read_bytes() == (whole / "summary.json").read_bytes()


def test_runs_that_are_done_are_kept_and_more_seeds_can_be_added(
    with_seeds: tuple[Path, Done], small: Small, tmp_path: Path
) -> None:
    out = shutil.copytree(with_seeds[0], tmp_path / "out")
    turns: list[Turn] = []

    def hear(turn: Turn) -> Callable[[Event], None]:
        turns.append(turn)
        return lambda event: None

    done = several(repeats_with_seeds(small.recipe(**ONE), 3), out, begin="resume", listen_to=hear)
    assert [turn.begin for turn in turns] == ["kept", "kept", "new"]
    assert done.summary.runs == ("seed-42", "seed-43", "seed-44")


def test_what_is_there_and_was_asked_for_otherwise_is_refused(
    with_seeds: tuple[Path, Done], small: Small, with_copies: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(with_seeds[0], tmp_path / "out")
    with pytest.raises(UserError) as other:
        several(repeats_with_seeds(small.recipe(**{**ONE, "training__epochs": 3}), 2), out, begin="resume")
    assert other.value.message == (
        f"{out / 'seed-42'}: this is not the run that was begun: training.epochs was 1, and is 3 now"
    )
    with pytest.raises(UserError) as changed:
        several(repeats_with_seeds(small.recipe(**ONE, data__files=[str(with_copies)]), 2), out, begin="resume")
    assert f"{out / 'seed-42'}: this is not the run that was begun: the training comments were " in (
        changed.value.message
    )
    copy = shutil.copytree(small.base["model.name"], tmp_path / "other-model")
    with pytest.raises(UserError) as model:
        several(repeats_with_seeds(small.recipe(**ONE, model__name=str(copy)), 2), out, begin="resume")
    assert f"model.name was '{small.base['model.name']}', and is '{copy}' now" in model.value.message


def test_seeds_and_folds_do_not_share_a_folder(
    with_seeds: tuple[Path, Done], on_folds: tuple[Path, Done], seeds: tuple[Repeat, ...], folds: tuple[Repeat, ...]
) -> None:
    for out, members, there, kind in (
        (with_seeds[0], folds, "seed-42", "fold"),
        (on_folds[0], seeds, "fold-1", "seed"),
    ):
        before = (out / "summary.json").read_bytes()
        with refused("run.other-repeats", f"holds {there}, so it is not the folder of runs named {kind}-…"):
            several(members, out, begin="resume")
        assert (out / "summary.json").read_bytes() == before


def test_scores_of_other_comments_are_not_taken_for_those_of_a_fold(
    on_folds: tuple[Path, Done], folds: tuple[Repeat, ...]
) -> None:
    out, _ = on_folds
    data = data_of(folds)
    runs = [RunDirectory(out / member.name) for member in folds]
    gather_out_of_fold(runs, data)
    with refused("training.other-scores", "has scores of other comments than fold-2"):
        gather_out_of_fold([runs[1], *runs[1:]], data)


def test_places_that_cannot_be_used_are_reported(seeds: tuple[Repeat, ...], whole: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "note.txt").write_text("mine")
    for out, begin, message in (
        (tmp_path / "taken", "new", "exists and is not empty: a run never overwrites another"),
        (tmp_path / "none", "resume", "no runs have begun here"),
        (whole, "resume", "a single run, not a folder of repeats"),
    ):
        with pytest.raises(UserError) as caught:
            train_several(seeds, data_of(seeds), out, begin=begin)  # type: ignore[arg-type]
        assert caught.value.message == f"{out}: {message}"
    with refused("run.repeats-restart", "repeats are never put aside"):
        train_several(seeds, data_of(seeds), tmp_path / "none", begin="restart")
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("launched")
def test_several_processes_are_refused(seeds: tuple[Repeat, ...], tmp_path: Path) -> None:
    data = data_of(seeds)
    with refused("training.repeats-under-launcher", "one run after another in one process"):
        train_several(seeds, data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_first_member_is_the_lowest_that_has_a_recipe(tmp_path: Path) -> None:
    assert RepeatsFolder(tmp_path).first_run() is None
    for name in ("seed-9", "seed-10", "seed-100", "seed-x", "note-1"):
        (tmp_path / name).mkdir()
    for name in ("seed-10", "seed-100", "note-1"):
        (tmp_path / name / "recipe.toml").write_text("seed = 1\n")
    assert RepeatsFolder(tmp_path).first_run() == RunDirectory(tmp_path / "seed-10")
