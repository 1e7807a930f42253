"""A finished run that is asked for again: the same comments in any file, other comments, other settings."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from civility.data.prepare import prepare
from civility.documents.run_environment import Combination
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.training.resume import check_unchanged
from civility.training.train_run import train

from ..refusals import refused


def write(path: Path, word: str = "garden", num: int = 60) -> Path:
    """Write comments without ids, so that made-up ones hold the name of the file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["comment_text", "toxic"])
        writer.writerows(
            [f"{word} number {row} {'fool' if row % 3 else 'friend'}", int(row % 3 > 0)] for row in range(num)
        )
    return path


def recipe_of(*files: Path, **changes: object) -> Recipe:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    own = {"data.files": [str(file) for file in files], "data.labels": ["toxic"], "linear.max_features": 200}
    return Recipe.load("fast", {**own, **named})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finished")


@pytest.fixture(scope="module")
def run(folder: Path) -> RunDirectory:
    """A finished linear run with validation comments in a file of their own."""
    recipe = recipe_of(write(folder / "train.csv"), data__validation=[str(write(folder / "held.csv", "tree"))])
    return train(recipe, prepare(recipe.wanted), folder / "run")


def test_the_same_comments_may_be_in_a_file_of_another_name(run: RunDirectory, folder: Path, tmp_path: Path) -> None:
    moved, held = (Path(shutil.copy(folder / name, tmp_path / f"moved-{name}")) for name in ("train.csv", "held.csv"))
    check_unchanged(run, recipe_of(moved, data__validation=[str(held)]))


@pytest.mark.parametrize("part", ["training", "validation"])
def test_other_comments_in_a_file_of_the_same_name_are_refused(
    run: RunDirectory, folder: Path, tmp_path: Path, part: str
) -> None:
    files = {"training": folder / "train.csv", "validation": folder / "held.csv"}
    own = files[part]
    files[part] = write(tmp_path / own.name, "flower", 66)
    with refused("training.another-run") as caught:
        check_unchanged(run, recipe_of(files["training"], data__validation=[str(files["validation"])]))
    message = caught.value.message
    assert message.startswith(
        f"{run.path}: this is not the run that was begun: the {part} comments were 60 comments from "
    )
    assert f"{own} (sha256:" in message
    assert f"and are 66 comments from {files[part]} (sha256:" in message


def test_settings_and_comments_that_differ_are_named_together(run: RunDirectory, folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.csv", "flower")
    with refused("training.another-run") as caught:
        check_unchanged(run, recipe_of(other, data__validation=[str(folder / "held.csv")], linear__c=2.0))
    assert "linear.c was 1.0, and is 2.0 now\n       the training comments were 60" in caught.value.message


def test_settings_without_a_part_in_the_result_may_differ(run: RunDirectory, folder: Path) -> None:
    held = [str(folder / "held.csv")]
    free = {"training__epochs": 2, "training__threads": 3, "data__text_column": "comment_text"}
    check_unchanged(run, recipe_of(folder / "train.csv", data__validation=held, **free))


def test_an_encoder_is_not_the_linear_model(run: RunDirectory, folder: Path) -> None:
    asked = recipe_of(folder / "train.csv", data__validation=[str(folder / "held.csv")], model__name="all-MiniLM-L6-v2")
    with refused("training.another-run", r"model\.name was 'tf-idf', and is 'all-MiniLM-L6-v2' now"):
        check_unchanged(run, asked)


def test_a_combination_and_a_damaged_record_are_no_run_to_resume(
    run: RunDirectory, folder: Path, tmp_path: Path
) -> None:
    recipe = run.load_recipe()
    copy = RunDirectory(Path(shutil.copytree(run.path, tmp_path / "run")))
    copy.write_environment(run.environment().model_copy(update={"combination": Combination(kind="ensemble")}))
    with refused("training.not-a-training-run", "combines other classifiers"):
        check_unchanged(copy, recipe)
    copy.environment_file.write_text(json.dumps({"data": []}))
    with refused("documents.damaged", "damaged: data: expected"):
        check_unchanged(copy, recipe)


def test_the_linear_model_is_not_trained_over_a_finished_or_another_run(run: RunDirectory, tmp_path: Path) -> None:
    recipe = run.load_recipe()
    data = prepare(recipe.wanted)
    with refused("run.finished", "this run is finished: there is nothing to resume"):
        train(recipe, data, run.path, begin="resume")
    cut = RunDirectory(Path(shutil.copytree(run.path, tmp_path / "cut")))
    shutil.rmtree(cut.classifier)
    other = run.load_recipe({"linear.c": 2.0})
    with refused("training.another-run", r"linear\.c was 1\.0, and is 2\.0 now"):
        train(other, data, cut.path, begin="resume")
    train(recipe, data, cut.path, begin="resume")
    assert cut.is_finished
