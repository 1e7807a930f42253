"""Sweeps of a tiny model in process: their files, pruning, failures, an interruption."""

import json
import os
import signal
import tomllib
from pathlib import Path

import pytest

from civility.data.prepare import prepare
from civility.documents.run_environment import PrunedTrial
from civility.documents.sweep_result import SweepResult
from civility.errors import Interrupted, UserError
from civility.recipe import Recipe
from civility.render.sentences.sweep_sentences import why_words
from civility.run import RunDirectory
from civility.search.run_sweep import CommentCache, number_of_trials, sweep, watch_sweep
from civility.training.train_run import train

from ..refusals import refused
from .conftest import RATES, Small

GOOD_THEN_BAD = '[sweep]\nsampler = "grid"\nwarmup_trials = 1\n{}\n[space]\n"training.learning_rate" = [5e-3, 1e-9]\n'


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".place"}


def test_a_sweep_leaves_ordinary_runs_a_result_and_a_recipe_that_trains(small: Small, tmp_path: Path) -> None:
    seen: list[SweepResult] = []
    task = small.task(trials=2)
    result = small.sweep(task, seen.append)
    out = task.directory
    assert names(out.path) == {"study.db", "trials", "best.toml", "sweep.json", "sweep.md", "sweep.html"}
    assert names(out.trials) == {"0000", "0001"}
    assert result.num("finished") == 2
    assert any(one.state == "unfinished" and one.step for result in seen for one in result.trials), "nothing live"
    for trial in result.trials:
        run = out.trial(trial.number)
        assert run.is_finished
        assert run.load_recipe().flat()["training.learning_rate"] == trial.settings["training.learning_rate"]
        epochs = [line for line in run.read_metrics() if line["kind"] == "epoch"]
        assert trial.scores == {line["epoch"]: line["validation"]["macro_roc_auc"] for line in epochs}
        assert trial.best == max(trial.scores.values())
        report = json.loads((run.own_report.json).read_text(encoding="utf-8"))["macro"]["roc_auc"]
        assert (trial.low, trial.high) == (report["low"], report["high"])
        assert trial.best == pytest.approx(report["value"], abs=1e-6)
    assert SweepResult.model_validate_json(out.json.read_text(encoding="utf-8")) == result
    recipe = Recipe.load(str(out.best))
    best = out.trial(result.ranked[0].number)
    assert recipe == best.load_recipe()
    assert tomllib.loads(out.best.read_text(encoding="utf-8"))["data"]["split_seed"] == 1
    data = prepare(recipe.wanted)
    again = train(recipe, data, tmp_path / "again")
    weights = [one.classifier / "model.safetensors" for one in (again, best)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_comments_are_read_once_for_trials_that_share_them(small: Small) -> None:
    comments, recipe = CommentCache(), small.recipe()
    data = comments.get(recipe)
    assert comments.get(small.recipe(training__epochs=5, data__max_length=16)) is data
    assert comments.get(small.recipe(seed=7)) is data, "the split has a seed of its own"
    assert comments.get(small.recipe(data__split_seed=2)) is not data
    assert comments.get(small.recipe()).validation.digest == data.validation.digest


@pytest.mark.parametrize(("pruner", "state", "epochs"), [('"median"', "pruned", 1), ('"none"', "finished", 2)])
def test_a_poor_trial_is_pruned_and_says_so(small: Small, pruner: str, state: str, epochs: int) -> None:
    """With the control that without a pruner the same trial goes to its end."""
    seed = next(seed for seed in range(9) if _first_of_grid(small, seed) == 5e-3)
    task = small.task(text=GOOD_THEN_BAD.format(f"pruner = {pruner}\nseed = {seed}"), trials=None)
    result = small.sweep(task)
    good, bad = result.trials
    assert (good.state, bad.state) == ("finished", state)
    assert len(bad.scores) == epochs
    assert (good.best or 0) > (bad.best or 0)
    run = task.directory.trial(1)
    assert run.is_run
    assert run.is_finished == (state == "finished")
    assert not run.lock.exists()
    assert not list(run.path.rglob("*.partial"))
    pruned = run.environment().pruned
    if state == "pruned":
        assert pruned == PrunedTrial(epoch=1, epochs=2)
        assert [path.name for path in run.checkpoint_folders()][-1] == "step-000004"
        assert why_words(bad) == "after epoch 1 of 2 its best was worse than half of the others'"
        assert [one.number for one in result.ranked] == [0]
    else:
        assert pruned is None


def _first_of_grid(small: Small, seed: int) -> float:
    from civility.search.study import GridByNumber

    return float(GridByNumber(small.task(text=GOOD_THEN_BAD.format(f"seed = {seed}")).space)._points[0].popitem()[1])


def test_a_trial_that_fails_is_recorded_and_the_sweep_continues(small: Small) -> None:
    # More tokens than the tiny model takes: a mistake of the settings that only the model shows.
    text = '[sweep]\nsampler = "grid"\n[space]\n"data.max_length" = [24, 4096]\n'
    result = small.sweep(small.task(text=text, trials=None))
    assert sorted(one.state for one in result.trials) == ["failed", "finished"]
    (failed,) = [one for one in result.trials if one.state == "failed"]
    assert "data.max_length = 4096" in why_words(failed)
    assert "takes at most" in why_words(failed)
    assert "data.max_length = 4096" in small.task().directory.markdown.read_text(encoding="utf-8")


def test_a_file_that_one_trial_alone_names_fails_that_trial(small: Small, tmp_path: Path) -> None:
    text = f'[sweep]\nsampler = "grid"\n[space]\n"data.pseudo_labels" = [[], ["{tmp_path}/nowhere.csv"]]\n'
    result = small.sweep(small.task(text=text, trials=None))
    assert sorted(one.state for one in result.trials) == ["failed", "finished"]
    (failed,) = [one for one in result.trials if one.state == "failed"]
    assert f"{tmp_path}/nowhere.csv: no such file" in why_words(failed)


def test_a_trial_says_which_preflight_check_failed(small: Small) -> None:
    text = '[sweep]\nsampler = "grid"\n[space]\n"training.warmup_steps" = [1, 400]\n'
    result = small.sweep(small.task(text=text, trials=None))
    (failed,) = [one for one in result.trials if one.state == "failed"]
    assert why_words(failed).startswith("a check failed, so the run was not started: schedule: 8 steps of 32 comments")
    assert "schedule: 8 steps of 32 comments" in small.task().directory.markdown.read_text(encoding="utf-8")


def test_a_sweep_gives_up_when_its_first_trials_fail(small: Small) -> None:
    text = '[sweep]\nsampler = "grid"\n[space]\n"data.max_length" = [4093, 4094, 4095, 4096]\n'
    with refused("search.all-trials-failed", r"the first 3 trials all failed; the last: data\.max_length = 40"):
        small.sweep(small.task(text=text, trials=None))


def test_a_mistake_of_the_shared_recipe_fails_no_trial(small: Small, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        small.sweep(small.task(model__name=str(tmp_path / "nowhere")))
    (trial,) = SweepResult.model_validate_json(_settled(small)).trials
    assert trial.state == "unfinished"


def _settled(small: Small) -> str:
    with watch_sweep(
        small.task(model__name=str(small.folder / "nowhere")), CommentCache().get(small.recipe())
    ) as current:
        return current().model_dump_json()


def test_ctrl_c_saves_and_the_resumed_sweep_ends_with_the_same_weights(small: Small) -> None:
    whole, cut = small.task("whole"), small.task("cut")
    small.sweep(whole)

    def interrupt(result: SweepResult) -> None:
        if len(result.trials) == 2 and len(result.trials[1].scores) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted) as stop:
        small.sweep(cut, interrupt)
    assert stop.value.signal_number == signal.SIGINT
    assert stop.value.message.startswith("trial 0001: stopped after step 5, saved in")
    assert stop.value.message.endswith("to resume: civility sweep starter")
    first = cut.directory.trial(0).classifier / "model.safetensors"
    before = first.stat().st_mtime_ns
    result = small.sweep(cut)
    assert [one.state for one in result.trials] == ["finished", "finished"]
    assert first.stat().st_mtime_ns == before, "a finished trial was trained again"
    assert weights(cut.directory.trial(1)) == weights(whole.directory.trial(1))
    assert weights(cut.directory.trial(1)) != weights(whole.directory.trial(0))
    assert [session.resumed_from for session in cut.directory.trial(1).environment().resumed] == ["step-000005"]


def test_a_worker_whose_parent_has_ended_saves_and_ends(small: Small) -> None:
    task, steps = small.task(trials=1), [0]
    with pytest.raises(Interrupted, match="trial 0000: stopped after step"):
        sweep(
            task,
            CommentCache(),
            listen=lambda result: steps.append(result.trials[0].step),
            is_orphan=lambda: max(steps) > 0,
        )
    run = task.directory.trial(0)
    assert not run.is_finished
    assert run.checkpoint_folders()


def weights(run: RunDirectory) -> bytes:
    return (run.classifier / "model.safetensors").read_bytes()


def test_a_model_without_epochs_is_swept_by_its_report(small: Small) -> None:
    text = '[sweep]\nsampler = "grid"\n[space]\n"linear.c" = [0.01, 10.0]\n'
    task = small.task(text=text, trials=None, model__name="tf-idf")
    result = small.sweep(task)
    assert [one.state for one in result.trials] == ["finished", "finished"]
    for one in result.trials:
        report = task.directory.trial(one.number).own_report.json
        macro = json.loads(report.read_text(encoding="utf-8"))["macro"]["roc_auc"]
        assert (one.best, one.low, one.high) == (macro["value"], macro["low"], macro["high"])
    assert len({one.best for one in result.trials}) == 2
    assert Recipe.load(str(task.directory.best)).model.name == "tf-idf"
    by_loss = small.sweep(small.task("loss", text=text, trials=1, model__name="tf-idf", training__metric="loss"))
    assert "loss is not measured of a model that is fitted without epochs" in why_words(by_loss.trials[0])


def test_the_number_of_trials_is_the_study_s(small: Small) -> None:
    grid = small.task(text=GOOD_THEN_BAD.format("")).space
    assert number_of_trials(None, grid) == 2
    assert number_of_trials(9, grid) == 2
    assert number_of_trials(1, grid) == 1
    assert number_of_trials(None, small.task(text=RATES).space) == 20
