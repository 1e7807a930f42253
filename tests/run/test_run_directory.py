"""RunDirectory: what a run leaves on disk, and where a classifier is looked for."""

import os
from pathlib import Path

import pytest

from civility.errors import UserError
from civility.run import RunDirectory, classifier_folder


def _run(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    run.create()
    run.make_folders()
    run.write_recipe("seed = 42\n")
    run.write_environment({"command": ["civility", "train"], "platform": "Linux, größer"})
    return run


def test_the_map_of_a_run() -> None:
    run = RunDirectory(Path("runs/first"))
    assert run.recipe == Path("runs/first/recipe.toml")
    assert run.environment == Path("runs/first/environment.json")
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
    assert not RunDirectory(tmp_path).is_begun


def test_a_folder_that_holds_something_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError) as caught:
        RunDirectory(tmp_path).check_free()
    assert caught.value.message == f"{tmp_path}: exists and is not empty: a run never writes over another"
    assert caught.value.remedy == "choose another --out, or remove the folder"


def test_a_file_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("")
    with pytest.raises(UserError) as caught:
        RunDirectory(tmp_path / "first").check_free()
    assert (caught.value.message, caught.value.remedy) == (
        f"{tmp_path / 'first'}: is not a folder",
        "choose another --out",
    )
    with pytest.raises(UserError, match="part of the path is a file, not a folder"):
        RunDirectory(tmp_path / "first" / "inner").create()


def test_the_next_free_name_is_numbered(tmp_path: Path) -> None:
    assert RunDirectory.next_free(tmp_path, "starter") == tmp_path / "starter"
    (tmp_path / "starter").mkdir()
    (tmp_path / "starter-2").write_text("")
    assert RunDirectory.next_free(tmp_path, "starter") == tmp_path / "starter-3"


def test_a_run_is_known_by_its_recipe_and_environment(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    assert RunDirectory.find(run.path) == run
    assert RunDirectory.find(tmp_path) is None
    assert RunDirectory.find(tmp_path / "nowhere") is None
    run.environment.unlink()
    assert RunDirectory.find(run.path) is None


def test_the_environment_comes_back(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    assert run.read_environment() == {"command": ["civility", "train"], "platform": "Linux, größer"}
    assert "größer" in run.environment.read_text(encoding="utf-8")
    assert run.recipe.read_text() == "seed = 42\n"


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


def test_a_run_that_did_not_reach_its_end_has_no_classifier(tmp_path: Path) -> None:
    run = _run(tmp_path / "first")
    with pytest.raises(UserError) as caught:
        classifier_folder(str(run.path))
    assert caught.value.message == f"{run.path}: the run holds no classifier: it did not reach its end"
    assert caught.value.remedy == f"civility train --resume --out {run.path}"


def test_a_file_holds_no_classifier(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("")
    with pytest.raises(UserError) as caught:
        classifier_folder(str(tmp_path / "model.safetensors"))
    assert caught.value.message == f"{tmp_path / 'model.safetensors'}: is a file"
    assert caught.value.remedy == "name a run directory, a classifier folder or a hub repository"


@pytest.mark.parametrize("name", ["unitary/toxic-bert", "./nowhere"])
def test_anything_else_is_left_to_the_model_loader(name: str) -> None:
    assert classifier_folder(name) == name


@pytest.mark.parametrize(
    ("names", "told", "remedy"),
    [
        (("recipe.toml",), "no recipe.toml: not a whole run directory", "put it back; or name the classifier alone"),
        (
            ("environment.json",),
            "no environment.json: not a whole run directory",
            "put it back; or name the classifier",
        ),
        (
            ("recipe.toml", "environment.json"),
            "no recipe.toml and no environment.json: not a whole",
            "put them back; or",
        ),
    ],
)
def test_a_run_directory_without_its_first_files_says_what_is_missing(
    tmp_path: Path, names: tuple[str, ...], told: str, remedy: str
) -> None:
    (tmp_path / "classifier").mkdir()
    for name in ("recipe.toml", "environment.json"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert classifier_folder(str(tmp_path)) == str(tmp_path / "classifier"), "the control"
    for name in names:
        (tmp_path / name).unlink()
    with pytest.raises(UserError) as caught:
        classifier_folder(str(tmp_path))
    assert caught.value.message.startswith(f"{tmp_path}: {told}")
    assert caught.value.remedy.startswith(remedy)
    assert caught.value.remedy.endswith(str(tmp_path / "classifier"))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert classifier_folder(str(tmp_path)) == str(tmp_path), "a folder of a model, whatever else is in it"
