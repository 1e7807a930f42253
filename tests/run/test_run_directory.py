"""RunDirectory: what a run leaves on disk, and where a classifier is looked for."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from civility.documents.run_environment import (
    RecordedComments,
    RecordedData,
    RecordedDevice,
    ResumedSession,
    RunEnvironment,
)
from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import RunDirectory, check_place, classifier_folder
from civility.run.place import check_unfinished

from ..refusals import refused


def _run(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    run.create()
    run.make_folders()
    run.write_first_files(Recipe(), environment_of(platform="Linux, größer"))
    return run


def environment_of(**facts: Any) -> RunEnvironment:
    nothing = RecordedComments(digest="")
    return RunEnvironment(
        command=("civility", "train"), data=RecordedData(training=nothing, validation=nothing), **facts
    )


def test_the_map_of_a_run() -> None:
    run = RunDirectory(Path("runs/first"))
    assert run.recipe_file == Path("runs/first/recipe.toml")
    assert run.environment_file == Path("runs/first/environment.json")
    assert run.metrics == Path("runs/first/metrics.jsonl")
    assert run.checkpoints == Path("runs/first/checkpoints")
    assert run.classifier == Path("runs/first/classifier")
    assert run.reports == Path("runs/first/reports")
    assert run.trackers == Path("runs/first/trackers")
    assert run.checkpoint(500) == Path("runs/first/checkpoints/step-000500")


def test_nothing_is_written_before_the_run_is_made(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "runs" / "first")
    run.check_free()
    assert list(tmp_path.iterdir()) == []
    run.create()
    assert list(run.path.iterdir()) == []
    run.make_folders()
    assert sorted(path.name for path in run.path.iterdir()) == ["checkpoints", "reports"]


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    RunDirectory(tmp_path).check_free()
    assert not RunDirectory(tmp_path).is_occupied


def test_a_folder_that_holds_something_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with refused("run.not-empty", "exists and is not empty: a run never overwrites another") as caught:
        RunDirectory(tmp_path).check_free()
    assert caught.value.remedy == "choose another --out, or remove the folder"
    run = _run(tmp_path / "first")
    with refused("run.not-empty", "--resume continues this run, --restart puts it aside"):
        check_place(run, "new")
    with refused("run.not-empty", "choose another --out, or remove the folder"):
        run.check_free(is_resumable=False)


def test_a_run_directory_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("")
    with refused("run.not-a-folder", "first: not a folder\nchoose another --out"):
        RunDirectory(tmp_path / "first").check_free()
    with pytest.raises(UserError, match="part of the path is a file, not a folder"):
        RunDirectory(tmp_path / "first" / "inner").create()


def test_a_new_run_needs_a_name_that_is_utf_8(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / os.fsdecode(b"caf\xe9"))
    for begin in ("new", "restart"):
        with refused("storage.bad-name", "a path that is not UTF-8\nchoose another --out"):
            check_place(run, begin)
    check_place(RunDirectory(tmp_path / "café"), "new")


def test_only_an_unfinished_run_can_be_resumed(tmp_path: Path) -> None:
    with refused("run.nothing-to-resume", "no run has begun here\nleave out --resume, or use --resume auto"):
        check_place(RunDirectory(tmp_path / "none"), "resume")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with refused("run.not-a-run", "not a run directory"):
        check_place(RunDirectory(tmp_path / "other"), "restart")
    run = _run(tmp_path / "first")
    check_place(run, "resume")
    check_unfinished(run)
    run.classifier.mkdir()
    with refused("run.finished", "nothing to resume"):
        check_unfinished(run)


def test_a_run_is_known_by_its_recipe_and_environment(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    assert RunDirectory.find(run.path) == run
    assert RunDirectory.find(tmp_path) is None
    assert RunDirectory.find(tmp_path / "nowhere") is None
    run.environment_file.unlink()
    assert RunDirectory.find(run.path) is None


def test_the_environment_comes_back(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    assert run.environment() == environment_of(platform="Linux, größer")
    assert "größer" in run.environment_file.read_text(encoding="utf-8")
    assert run.load_recipe() == Recipe()
    assert run.load_recipe({"seed": 7}).seed == 7


def test_an_environment_without_a_schema_number_is_read_and_gets_one_when_a_session_is_added(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    old = {"data": {"training": {"digest": "a"}, "validation": {"digest": "b"}}, "device": "CPU", "of older times": 1}
    run.environment_file.write_text(json.dumps(old))
    assert run.environment().data.training.digest == "a"
    run.add_session(
        ResumedSession(resumed_from="step-000500", device=RecordedDevice(name="GPU")), fallback=environment_of()
    )
    assert run.environment().device == RecordedDevice(kind="cpu")
    assert run.environment().resumed[0].device == RecordedDevice(name="GPU")
    written = json.loads(run.environment_file.read_text())
    assert (written["schema"], written["resumed"][0]["from"]) == (3, "step-000500")
    run.environment_file.write_text(json.dumps({"data": []}))
    with refused("documents.damaged", r"environment\.json: damaged: data: "):
        run.environment()
    damage = run.add_session(ResumedSession(resumed_from="step-000500"), fallback=environment_of(platform="fallback"))
    assert damage is not None
    assert damage.code == "documents.damaged"
    assert (run.environment().platform, len(run.environment().resumed)) == ("fallback", 1)


def test_a_record_of_a_newer_version_is_never_replaced(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    newer = {**json.loads(run.environment_file.read_text(encoding="utf-8")), "schema": 99, "of later times": 1}
    run.environment_file.write_text(json.dumps(newer), encoding="utf-8")
    before = run.environment_file.read_bytes()
    with refused("documents.newer", r"environment\.json: written by a newer civility \(schema 99"):
        check_place(run, "resume")
    with refused("documents.newer"):
        run.add_session(ResumedSession(resumed_from="step-000500"), fallback=environment_of())
    assert run.environment_file.read_bytes() == before
    check_place(run, "restart")  # puts it aside unread


def test_each_epoch_counts_once_in_the_time_of_a_run(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    assert run.seconds() is None
    lines = [("step", 1, 9.0), ("epoch", 1, 10.0), ("save", 1, 3.0), ("epoch", 2, 99.0), ("epoch", 2, 20.0)]
    text = "".join(json.dumps({"kind": kind, "step": step, "seconds": own}) + "\n" for kind, step, own in lines)
    run.timing.write_text(text + '{"kind": "epo')
    assert run.seconds() == 30.0


def test_checkpoints_are_listed_by_step_and_only_the_complete_ones(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    for step in (2_000_000, 500, 10_000, 999_999):
        run.checkpoint(step).mkdir()
    (run.checkpoints / f".step-000700.{os.getpid()}.partial").mkdir()
    (run.checkpoints / "step-best").mkdir()
    (run.checkpoints / "step-000800").write_text("a file")
    assert run.checkpoint_folders() == [run.checkpoint(step) for step in (500, 10_000, 999_999, 2_000_000)]


def test_the_classifier_of_a_run_is_its_own(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    run.classifier.mkdir()
    assert classifier_folder(str(run.path)) == str(run.classifier)
    assert classifier_folder(str(run.classifier)) == str(run.classifier)


def test_a_run_without_a_classifier_is_unfinished(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    with refused(
        "run.unfinished", f"first: the run has no classifier yet: .*\ncivility train --resume --out {run.path}"
    ):
        classifier_folder(str(run.path))


def test_a_file_is_not_a_classifier(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("")
    with refused("run.not-a-classifier", "a file, expected a run directory, a classifier folder or a hub repository"):
        classifier_folder(str(tmp_path / "model.safetensors"))


def test_a_path_to_nothing_beside_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    with refused("run.no-such-folder", r"firts: no such folder \(did you mean .*first\?\)"):
        classifier_folder(str(tmp_path / "firts"))


@pytest.mark.parametrize("name", ["unitary/toxic-bert", "./nowhere"])
def test_anything_else_is_left_to_the_model_loader(name: str) -> None:
    assert classifier_folder(name) == name


@pytest.mark.parametrize("names", [("recipe.toml",), ("environment.json",), ("recipe.toml", "environment.json")])
def test_a_run_directory_without_its_first_files_is_incomplete(tmp_path: Path, names: tuple[str, ...]) -> None:
    (tmp_path / "classifier").mkdir()
    for name in ("recipe.toml", "environment.json"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert classifier_folder(str(tmp_path)) == str(tmp_path / "classifier"), "the control"
    for name in names:
        (tmp_path / name).unlink()
    with refused("run.incomplete", f": no {' and no '.join(names)}: the run directory is incomplete") as caught:
        classifier_folder(str(tmp_path))
    assert caught.value.remedy.endswith(str(tmp_path / "classifier"))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert classifier_folder(str(tmp_path)) == str(tmp_path), "a model folder, whatever else is in it"
