"""Resuming a run: it ends as if it had not been interrupted, wherever it was; and which runs are refused."""

import hashlib
import json
import os
import shutil
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from safetensors.numpy import load_file

from civility.engine.progress import StepDone
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.recipe import Recipe
from civility.storage.lock import hold
from civility.training.events import EpochJudged, Event, RunResumed, ValidationScored
from civility.training.train_run import check

from ..conftest import differing
from ..refusals import refused
from .conftest import Small


def at_step(step: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, StepDone) and event.step == step


def in_validation_of(epoch: int) -> Callable[[Event], bool]:
    judged: list[Event] = []

    def when(event: Event) -> bool:
        if isinstance(event, EpochJudged):
            judged.append(event)
        return isinstance(event, ValidationScored) and len(judged) == epoch - 1

    return when


def after_epoch(epoch: int) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, EpochJudged) and event.epoch.epoch == epoch


# Five steps an epoch: step 5 is the last of the first, whose validation is then still to come.
PLACES = {
    "first step": (at_step(1), "stopped after step 1, saved in", "step-000001"),
    "mid-epoch": (at_step(3), "stopped after step 3, saved in", "step-000003"),
    "end of an epoch": (at_step(5), "stopped after step 5, saved in", "step-000005-before-validation"),
    "in validation": (in_validation_of(1), "stopped after step 5, saved in", "step-000005-before-validation"),
    "after validation": (after_epoch(1), "stopped after step 6, saved in", "step-000006"),
    "in the last validation": (in_validation_of(2), "stopped after step 10, saved in", "step-000010-before-validation"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_run_stopped_anywhere_ends_as_if_it_had_not_been(
    small: Small, whole: Path, tmp_path: Path, place: str
) -> None:
    when, message, folder = PLACES[place]
    out = tmp_path / "run"
    said = small.interrupt(out, when)
    assert said == f"{message} {out / 'checkpoints' / folder}\nto resume: civility train --resume --out {out}"
    assert not (out / "classifier").exists()
    assert not (out / "lock").exists()
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    assert differing(whole, out) == []
    (resumed,) = [event for event in emitted if isinstance(event, RunResumed)]
    assert resumed.steps_done == int(folder.split("-")[1])
    assert not [event for event in emitted if isinstance(event, Warned)]


def test_a_kill_between_the_last_save_and_the_removal_of_older_ones_leaves_none(
    small: Small, whole: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(whole, tmp_path / "run")
    for name in ("classifier", "reports"):
        shutil.rmtree(out / name)
    newest_two = sorted((out / "checkpoints").iterdir())[-2:]
    shutil.copytree(newest_two[0], out / "checkpoints" / "step-000007")
    small.train(out, begin="resume")
    assert differing(whole, out) == []


def test_the_control_another_seed_ends_otherwise(small: Small, whole: Path, tmp_path: Path) -> None:
    out = small.train(tmp_path / "run", seed=7).path
    assert {"classifier/model.safetensors", "metrics.jsonl", "reports/validation.json"} <= set(differing(whole, out))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_as_ctrl_c_does(small: Small, whole: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "run"
    small.interrupt(out, at_step(4), number=number)
    small.train(out, begin="resume")
    assert differing(whole, out) == []


def test_a_terminal_that_closes_does_not_end_what_nohup_protects(small: Small, whole: Path, tmp_path: Path) -> None:
    def listen(event: Event) -> None:
        if at_step(4)(event):
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        out = small.train(tmp_path / "run", listen=listen).path
    finally:
        signal.signal(signal.SIGHUP, before)
    assert differing(whole, out) == []


def test_the_environment_tells_of_every_life(stopped: Path, small: Small, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    small.train(out, begin="resume")
    facts = json.loads((out / "environment.json").read_text())
    assert [life["from"] for life in facts["resumed"]] == ["step-000007"]
    assert facts["resumed"][0]["versions"] == facts["versions"]
    lines = [json.loads(line) for line in (out / "timing.jsonl").read_text().splitlines()]
    kinds = [line["kind"] for line in lines]
    assert kinds.count("resumed") == 1
    assert kinds.count("memory") == kinds.count("epoch") > 0
    assert all(line["peak"] > 2**20 for line in lines if line["kind"] == "memory")
    assert kinds.count("save") == kinds.count("epoch") + 5, "steps 2, 4, 6 and 8, and the one it was stopped after"


def newest(run: Path) -> Path:
    return sorted((run / "checkpoints").glob("step-*"))[-1]


def seal(folder: Path) -> None:
    """Write the sums of a checkpoint whose files were edited."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a flipped bit": (lambda f: flip(f / "model.safetensors"), "damaged: the sha256 of model.safetensors is not the"),
    "a cut file": (lambda f: cut(f / "optimizer.safetensors"), "damaged: the sha256 of optimizer.safetensors is not"),
    "a missing file": (lambda f: (f / "optimizer.safetensors").unlink(), "damaged: optimizer.safetensors is missing"),
    "an edited place": (lambda f: flip(f / "progress.json"), "damaged: the sha256 of progress.json is not the one in"),
    "no sums": (lambda f: (f / "SHA256SUMS").unlink(), "not a checkpoint: SHA256SUMS is missing or cannot be read"),
    "an empty folder": (empty, "not a checkpoint: SHA256SUMS is missing"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(
    small: Small, whole: Path, stopped: Path, tmp_path: Path, damage: str
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    hurt, reason = DAMAGE[damage]
    hurt(newest(out))
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    (note,) = [event.text for event in emitted if isinstance(event, Warned)]
    assert note.startswith("skipped step-000007: ")
    assert reason in note
    (aside,) = (out / "checkpoints").glob("damaged-*")
    assert aside.name == "damaged-step-000007-1"
    shutil.rmtree(aside)
    assert differing(whole, out) == []


def test_where_every_checkpoint_is_damaged_nothing_is_begun_unasked(
    small: Small, stopped: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    for folder in (out / "checkpoints").iterdir():
        flip(folder / "model.safetensors")
    before = sorted(str(path) for path in out.rglob("*"))
    with refused("training.no-usable-checkpoint") as caught:
        small.train(out, begin="resume")
    assert caught.value.message.startswith(f"{out}: no checkpoint can be used:\n")
    assert caught.value.message.count("skipped step-") == 3
    assert caught.value.remedy == (
        "put back an undamaged copy of a checkpoint; or --restart, which keeps what is there in another folder"
    )
    assert sorted(str(path) for path in out.rglob("*")) == before


def test_a_lost_best_epoch_is_reported_and_the_run_goes_on_with_the_rest(
    small: Small, stopped: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    flip(out / "checkpoints" / "step-000005" / "model.safetensors")
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    notes = [event.text for event in emitted if isinstance(event, Warned)]
    assert len(notes) == 1
    assert "step-000007 needs the weights of its best epoch, which are lost: " in notes[0]
    assert "step-000005: damaged: the sha256 of model.safetensors" in notes[0]
    last = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()][-1]
    assert last["kind"] == "epoch"
    assert last["best"], "the epoch that was left is the best of those that are"
    assert (out / "classifier").is_dir()


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_lost_best_epoch_does_not_stop_a_second_resumption(
    small: Small, stopped: Path, tmp_path: Path, how: str
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    best = out / "checkpoints" / "step-000005"
    if how == "missing":
        shutil.rmtree(best)
    else:
        flip(best / "model.safetensors")

    def interrupt(event: Event) -> None:
        if isinstance(event, RunResumed):  # before there is another checkpoint
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small.train(out, begin="resume", listen=interrupt)
    small.train(out, begin="resume")
    assert (out / "classifier").is_dir()


def test_the_optimizer_of_the_best_epoch_is_not_missed(
    small: Small, whole: Path, stopped: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    flip(out / "checkpoints" / "step-000005" / "optimizer.safetensors")
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    assert not [event for event in emitted if isinstance(event, Warned)]
    assert [name for name in differing(whole, out) if "step-000005" not in name] == []


def test_a_damaged_checkpoint_of_a_new_best_epoch_costs_that_epoch_only(
    small: Small, whole: Path, tmp_path: Path
) -> None:
    # As it stands when the second epoch has just become the best: what was there before goes back to the first.
    best: list[bool] = []

    def listen(event: Event) -> None:
        if isinstance(event, EpochJudged):
            best.append(event.is_best)
            if event.epoch.epoch == 2:
                shutil.copytree(tmp_path / "run", tmp_path / "then", ignore=shutil.ignore_patterns("lock"))

    small.train(tmp_path / "run", listen=listen)
    assert best == [True, True], "or this test shows nothing"
    out = tmp_path / "then"
    assert newest(out).name == "step-000010"
    flip(newest(out) / "model.safetensors")
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    (resumed,) = [event for event in emitted if isinstance(event, RunResumed)]
    assert resumed.steps_done == 8
    shutil.rmtree(out / "checkpoints" / "damaged-step-000010-1")
    assert [name for name in differing(whole, out) if name != "classifier/README.md"] == []


def test_a_foreign_checkpoint_is_passed_over(small: Small, whole: Path, stopped: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    small.interrupt(other, at_step(8), seed=7)
    out = shutil.copytree(stopped, tmp_path / "run")
    shutil.copytree(newest(other), out / "checkpoints" / "step-000008")
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    (note,) = [event.text for event in emitted if isinstance(event, Warned)]
    assert note.startswith("skipped step-000008: this is not the run that was begun: seed was 7, and is 42 now")


def test_a_foreign_checkpoint_does_not_stand_in_for_one_to_come(
    small: Small, whole: Path, stopped: Path, tmp_path: Path
) -> None:
    # The other run ends its second epoch at the same step, with weights and logits of its own.
    other = small.train(tmp_path / "other", seed=7, training__gradient_accumulation=1, training__batch_size=16).path
    out = shutil.copytree(stopped, tmp_path / "run")
    shutil.copytree(other / "checkpoints" / "step-000010", out / "checkpoints" / "step-000010")
    small.train(out, begin="resume")
    (aside,) = (out / "checkpoints").glob("damaged-*")
    shutil.rmtree(aside)
    assert differing(whole, out) == []


def test_a_foreign_effective_batch_is_not_taken_over(small: Small, whole: Path, stopped: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    small.interrupt(other, at_step(12), training__epochs=9, training__batch_size=4)
    out = shutil.copytree(stopped, tmp_path / "run")
    shutil.copytree(newest(other), out / "checkpoints" / "step-000012")
    small.train(out, begin="resume")
    shutil.rmtree(next((out / "checkpoints").glob("damaged-*")))
    assert differing(whole, out) == []


def as_an_older_version_wrote_it(run: Path, changes: dict[str, float]) -> Path:
    """Add to recipe and checkpoints the settings that have been removed since, off except for ``changes``."""
    removed = {"reinit_layers": 0, "multi_sample_dropout": 1, "token_dropout": 0.0, **changes}
    recipe = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    recipe["regularization"] |= removed
    (run / "recipe.toml").write_text(tomli_w.dumps(recipe), encoding="utf-8")
    for folder in (run / "checkpoints").iterdir():
        content = json.loads((folder / "progress.json").read_text())
        content["facts"]["recipe"] |= {f"regularization.{key}": value for key, value in removed.items()}
        (folder / "progress.json").write_text(json.dumps(content))
        seal(folder)
    return run


def test_a_run_of_an_older_version_with_removed_settings_off_is_resumed(
    small: Small, whole: Path, stopped: Path, tmp_path: Path
) -> None:
    out = as_an_older_version_wrote_it(shutil.copytree(stopped, tmp_path / "run"), {})
    small.train(out, begin="resume")
    named = [name for name in differing(whole, out) if not name.endswith(("progress.json", "SHA256SUMS"))]
    assert named == ["recipe.toml"], "written by the older version"


def test_a_run_of_an_older_version_with_a_removed_setting_on_is_refused(
    small: Small, stopped: Path, tmp_path: Path
) -> None:
    out = as_an_older_version_wrote_it(shutil.copytree(stopped, tmp_path / "run"), {"token_dropout": 0.1})
    with pytest.raises(UserError, match=r"token_dropout was 0\.1, and is 0 now") as stop:
        small.train(out, begin="resume")
    assert "not the run that was begun" in stop.value.message
    with pytest.raises(
        UserError, match=r"recipe\.toml: regularization\.token_dropout = 0\.1: this setting was removed"
    ):
        Recipe.load(str(out / "recipe.toml"))


def test_a_checkpoint_that_says_nothing_of_its_run_is_passed_over(
    small: Small, whole: Path, stopped: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    folder = newest(out)
    content = json.loads((folder / "progress.json").read_text())
    (folder / "progress.json").write_text(json.dumps({**content, "facts": {}}))
    seal(folder)
    small.train(out, begin="resume")
    shutil.rmtree(next((out / "checkpoints").glob("damaged-*")))
    assert differing(whole, out) == []


def test_another_model_configuration_is_refused(small: Small, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    model = shutil.copytree(small.base["model.name"], tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "hidden_dropout_prob": 0.4}))
    with pytest.raises(UserError, match=r"the settings in the model's config.json had the digest"):
        small.train(out, begin="resume", model__name=str(model))


def test_the_same_model_may_have_moved(small: Small, whole: Path, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    model = shutil.copytree(small.base["model.name"], tmp_path / "model")
    small.train(out, begin="resume", model__name=str(model))
    names = [name for name in differing(whole, out) if not name.endswith(("progress.json", "SHA256SUMS", "README.md"))]
    # Reports name the model.
    assert set(names) <= {f"reports/validation.{kind}" for kind in ("json", "md", "html", "scores.parquet")}


def test_a_damaged_environment_is_written_anew(small: Small, whole: Path, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    (out / "environment.json").write_text('{"command": [')
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    (warning,) = [event.text for event in emitted if isinstance(event, Warned)]
    assert warning.startswith(f"{out / 'environment.json'}: ")
    assert warning.endswith("; the file is replaced, and its record of earlier sessions is lost")
    assert differing(whole, out) == []
    assert json.loads((out / "environment.json").read_text())["resumed"]


def test_an_environment_of_a_newer_version_is_refused_before_anything_is_written(
    small: Small, stopped: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    content = json.loads((out / "environment.json").read_text(encoding="utf-8"))
    (out / "environment.json").write_text(json.dumps({**content, "schema": 99}), encoding="utf-8")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    recipe = small.recipe()
    with refused("documents.newer", "written by a newer civility"):
        check(recipe, small.prepare(recipe), out, begin="resume")
    with refused("documents.newer", "written by a newer civility"):
        small.train(out, begin="resume")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_finished_run_is_not_resumed(small: Small, whole: Path) -> None:
    before = sorted((str(path), path.stat().st_mtime_ns) for path in whole.rglob("*") if path.is_file())
    with refused("run.finished", "this run is finished: there is nothing to resume"):
        small.train(whole, begin="resume")
    assert sorted((str(path), path.stat().st_mtime_ns) for path in whole.rglob("*") if path.is_file()) == before


def test_a_restart_keeps_what_was_there_and_begins_again(
    small: Small, whole: Path, stopped: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    emitted: list[Event] = []
    small.train(out, begin="restart", listen=emitted.append)
    assert differing(whole, out) == []
    aside = tmp_path / "run.before-1"
    assert differing(stopped, aside) == []
    assert [event.text for event in emitted if isinstance(event, Warned)] == [f"what was in {out} is in {aside} now"]


def test_a_restart_that_cannot_begin_moves_nothing(small: Small, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    with refused("training.max-length", r"data.max_length = 4000: .* takes at most"):
        small.train(out, begin="restart", data__max_length=4000)
    with hold(out / "lock"), pytest.raises(UserError, match="another run is writing there"):
        small.train(out, begin="restart")
    assert differing(stopped, out) == []
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


OTHER_RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "rate": ({"training__learning_rate": 2e-3}, "training.learning_rate was 0.001, and is 0.002 now"),
    "epochs": ({"training__epochs": 3}, "training.epochs was 2, and is 3 now"),
    "seed": ({"seed": 7}, "seed was 42, and is 7 now"),
    "loss": ({"training__loss": "bce"}, "training.loss was 'weighted_bce', and is 'bce' now"),
    "share": ({"data__validation": 0.2}, "data.validation was 0.1, and is 0.2 now"),
    "precision": ({"training__precision": "bf16"}, "training.precision was 'fp32', and is 'bf16' now"),
    "batch": (
        {"training__batch_size": 4},
        "training.batch_size times training.gradient_accumulation was 16, and is 8 now",
    ),
    "length": ({"data__max_length": 10}, "data.max_length was 24, and is 10 now"),
}


@pytest.mark.parametrize("change", OTHER_RUNS)
def test_another_run_is_refused_with_both_values(small: Small, stopped: Path, tmp_path: Path, change: str) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    before = sorted((str(path), path.stat().st_size) for path in out.rglob("*"))
    changes, message = OTHER_RUNS[change]
    with refused("training.no-usable-checkpoint") as caught:
        small.train(out, begin="resume", **changes)
    assert caught.value.message.startswith(f"{out}: no checkpoint can be used:\n")
    assert "this is not the run that was begun: " in caught.value.message
    assert message in caught.value.message
    assert caught.value.remedy.startswith("leave out what differs to resume; or --restart, which keeps")
    assert sorted((str(path), path.stat().st_size) for path in out.rglob("*")) == before


def test_other_data_are_refused_under_the_same_name(small: Small, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    (data,) = small.base["data.files"]
    other = tmp_path / "comments.csv"
    other.write_text(Path(data).read_text().replace("garden", "gardens"))
    with pytest.raises(UserError, match=r"the training comments had the digest sha256:\w+…, and have sha256:"):
        small.train(out, begin="resume", data__files=[str(other)])


def test_a_renamed_file_without_ids_holds_the_same_data(small: Small, tmp_path: Path) -> None:
    (data,) = small.base["data.files"]
    header, *lines = Path(data).read_text().splitlines(keepends=True)
    assert header.startswith("id,")
    first, renamed = tmp_path / "first.csv", tmp_path / "renamed.csv"
    first.write_text("".join(line.partition(",")[2] for line in (header, *lines)))
    small.interrupt(tmp_path / "run", at_step(3), data__files=[str(first)])
    first.rename(renamed)
    small.train(tmp_path / "run", begin="resume", data__files=[str(renamed)])
    assert (tmp_path / "run" / "classifier").is_dir()


def test_the_same_data_may_have_moved(small: Small, whole: Path, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    (data,) = small.base["data.files"]
    moved = shutil.copy(data, tmp_path / "moved.csv")
    small.train(out, begin="resume", data__files=[str(moved)])
    named = [name for name in differing(whole, out) if not name.endswith(("progress.json", "SHA256SUMS"))]
    assert set(named) <= {
        "classifier/README.md",
        *(f"reports/validation.{kind}" for kind in ("json", "md", "html", "scores.parquet")),
    }


def test_another_sharing_of_the_same_step_goes_on_and_is_reported(
    small: Small, whole: Path, stopped: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    emitted: list[Event] = []
    changes = {"training__batch_size": 4, "training__gradient_accumulation": 4}
    small.train(out, begin="resume", listen=emitted.append, **changes)
    (note,) = [event.text for event in emitted if isinstance(event, Warned)]
    assert note == (
        "the micro-batch was 8, and is 4 now: the order of comments stays, but weights are no longer equal to the bit"
    )
    steps = [event for event in emitted if isinstance(event, StepDone)]
    assert [event.batch_size for event in steps] == [4, 4, 4]
    assert {event.num_comments for event in steps} <= {8, 16}
    ours, theirs = (load_file(run / "classifier" / "model.safetensors") for run in (out, whole))
    # Dropout is drawn a micro-batch, so the weights are not the same; but near.
    assert max(abs(ours[name] - theirs[name]).max() for name in ours) < 0.05


def test_lines_after_the_checkpoint_are_cut_from_the_log(
    small: Small, whole: Path, stopped: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "step": 8, "loss": 99.0}\n{"kind": "st')
    small.train(out, begin="resume")
    assert differing(whole, out) == []


def test_a_log_that_lost_lines_is_reported(small: Small, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    (out / "metrics.jsonl").write_text("")
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    assert [event.text for event in emitted if isinstance(event, Warned)] == [
        f"{out / 'metrics.jsonl'}: lines are missing that the checkpoint counts"
    ]


def test_what_killed_writers_left_is_removed(small: Small, whole: Path, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    (out / "checkpoints" / ".step-000008.1.partial").mkdir()
    (out / ".recipe.toml.1.partial").write_text("seed")
    small.train(out, begin="resume")
    assert differing(whole, out) == []


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(
    small: Small, whole: Path, stopped: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    (out / "checkpoints").mkdir(parents=True)
    shutil.copy(stopped / "recipe.toml", out)
    (out / "metrics.jsonl").write_text('{"kind": "step", "step": 1, "loss": 99.0}\n')
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    assert differing(whole, out) == []
    assert [event.text for event in emitted if isinstance(event, Warned)] == [
        "there was no checkpoint yet: training starts from the beginning"
    ]
    shutil.rmtree(out / "checkpoints")
    shutil.rmtree(out / "classifier")
    log = (out / "metrics.jsonl").read_bytes()
    with refused("training.another-run", r"training.learning_rate was 0.001, and is 0.002 now"):
        small.train(out, begin="resume", training__learning_rate=2e-3)
    assert (out / "metrics.jsonl").read_bytes() == log


def test_a_run_that_was_killed_while_it_wrote_its_classifier_writes_it(
    small: Small, whole: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(out / "classifier")
    (out / "reports" / "validation.md").unlink()
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    assert differing(whole, out) == []
    assert not [event for event in emitted if isinstance(event, StepDone)], "nothing is trained again"


def test_a_directory_that_is_being_written_to_is_refused(small: Small, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    with hold(out / "lock"), pytest.raises(UserError, match="another run is writing there: process"):
        small.train(out, begin="resume")


def test_a_dead_owners_lock_is_taken_over_with_a_word(small: Small, stopped: Path, tmp_path: Path) -> None:
    out = shutil.copytree(stopped, tmp_path / "run")
    (out / "lock").write_text('{"process": 1, "machine": "far-away", "since": "2020-01-01T00:00:00+00:00"}')
    os.utime(out / "lock", (0, 0))
    emitted: list[Event] = []
    small.train(out, begin="resume", listen=emitted.append)
    assert [event.text for event in emitted if isinstance(event, Warned)] == [
        "took over from process 1 on far-away, which was killed"
    ]


def test_there_is_nothing_to_go_on_with(small: Small, tmp_path: Path) -> None:
    with refused("run.nothing-to-resume", "no run has begun here"):
        small.train(tmp_path / "nowhere", begin="resume")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with refused("run.not-a-run", "not a run directory"):
        small.train(tmp_path / "mine", begin="resume")
