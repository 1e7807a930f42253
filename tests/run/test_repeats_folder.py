"""Repeats: their recipes and their folder."""

from collections.abc import Callable
from pathlib import Path

from civility.recipe import Recipe
from civility.run.repeats_folder import (
    Repeat,
    RepeatsFolder,
    is_seed_folder,
    refuse_seeds_with_folds,
    repeats_on_folds,
    repeats_with_seeds,
)

from ..refusals import refused


def differences(repeat: Repeat, recipe: Recipe) -> dict[str, object]:
    was = recipe.flat()
    return {key: value for key, value in repeat.recipe.flat().items() if value != was[key]}


def test_seeds_differ_in_the_seed_and_share_the_split_of_the_first() -> None:
    recipe = Recipe.load("baseline", {"seed": 7})
    repeats = repeats_with_seeds(recipe, 3)
    assert [repeat.name for repeat in repeats] == ["seed-7", "seed-8", "seed-9"]
    assert differences(repeats[0], recipe) == {"data.split_seed": 7}
    assert differences(repeats[2], recipe) == {"seed": 9, "data.split_seed": 7}
    assert {repeat.recipe.wanted for repeat in repeats} == {recipe.wanted}


def test_a_split_that_the_recipe_fixes_stays() -> None:
    repeats = repeats_with_seeds(Recipe.load("baseline", {"data.split_seed": 0}), 2)
    assert [repeat.recipe.wanted.seed for repeat in repeats] == [0, 0]


def test_repeats_of_a_repeat_are_the_same_again() -> None:
    recipe = Recipe.load("baseline")
    assert repeats_with_seeds(repeats_with_seeds(recipe, 2)[0].recipe, 2) == repeats_with_seeds(recipe, 2)
    assert repeats_on_folds(repeats_on_folds(recipe, 3)[0].recipe, 3) == repeats_on_folds(recipe, 3)


def test_folds_differ_in_the_fold_alone() -> None:
    recipe = Recipe.load("baseline")
    repeats = repeats_on_folds(recipe, 5)
    assert [repeat.name for repeat in repeats] == [f"fold-{fold}" for fold in range(1, 6)]
    assert differences(repeats[0], recipe) == {"data.folds": 5}
    assert differences(repeats[3], recipe) == {"data.folds": 5, "data.fold": 4}


def test_impossible_repeats_are_refused() -> None:
    recipe = Recipe.load("baseline")
    on_folds = Recipe.load("baseline", {"data.folds": 4})
    late = Recipe.load("baseline", {"seed": 2**32 - 1})
    wrong: tuple[tuple[Callable[[Recipe, int], object], Recipe, int, str], ...] = (
        (repeats_with_seeds, recipe, 1, r"^--seeds 1, expected 2 to 1,000\n"),
        (repeats_on_folds, recipe, 1, r"^--folds 1, expected 2 to 100\n"),
        (repeats_on_folds, recipe, 101, r"^--folds 101, expected 2 to 100\n"),
        (repeats_on_folds, on_folds, 5, r"^--folds 5, but data\.folds = 4\n"),
        (repeats_with_seeds, late, 2, r"^seed = 4294967295: 2 seeds from there would exceed 4294967295\n"),
    )
    for make, of, num, message in wrong:
        with refused("run.repeats-number", message):
            make(of, num)
    with refused("run.seeds-and-folds", "^--seeds together with --folds: repeats with seeds share one split"):
        refuse_seeds_with_folds(2, 5)
    with refused("run.seeds-and-folds", r"^--seeds together with data\.folds"):
        repeats_with_seeds(on_folds, 2)
    with refused("run.linear-seeds", "^--seeds with a linear model: no seed affects how it is fitted"):
        repeats_with_seeds(Recipe.load("fast"), 2)
    refuse_seeds_with_folds(2, 0)
    assert repeats_on_folds(on_folds, 4)[0].recipe == on_folds


def test_repeats_need_a_folder_of_their_own(tmp_path: Path) -> None:
    recipe = Recipe()
    place = RepeatsFolder(tmp_path / "out")
    with refused("run.repeats-restart", "repeats are never put aside"):
        place.check_place("restart")
    with refused("run.nothing-to-resume", "no runs have begun here"):
        place.check_place("resume")
    place.check_place("new")
    (place.path / "seed-42").mkdir(parents=True)
    with refused("run.not-empty", "out: exists and is not empty"):
        place.check_place("new")
    place.check_place("resume")
    place.summary.write_text('{"schema": 99}')
    with refused("documents.newer", r"summary\.json: written by a newer civility"):
        place.check_place("resume")
    place.summary.write_text("{")  # a damaged one is written again
    place.check_place("resume")
    place.check_kind(repeats_with_seeds(recipe, 2))
    with refused("run.other-repeats", "holds seed-42, so it is not the folder of runs named fold-…"):
        place.check_kind(repeats_on_folds(recipe, 2))
    for name in ("recipe.toml", "environment.json"):
        (place.path / name).write_text("")
    with refused("run.other-repeats", "a single run, not a folder of repeats"):
        place.check_place("resume")


def test_runs_are_listed_by_their_numbers(tmp_path: Path) -> None:
    place = RepeatsFolder(tmp_path)
    for name in ("seed-10", "seed-9", "seed-x", "fold-2", "note-1"):
        (tmp_path / name).mkdir()
    (tmp_path / "seed-1").write_text("a file")
    assert [run.path.name for run in place.seed_runs()] == ["seed-9", "seed-10"]
    assert [run.path.name for run in place.fold_runs()] == ["fold-2"]
    assert is_seed_folder(tmp_path / "seed-9")
    assert not is_seed_folder(tmp_path / "fold-2")
