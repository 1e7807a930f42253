"""The recipes of several runs: what they share, in what they differ, and what is refused."""

from collections.abc import Callable

import pytest

from civility.errors import UserError
from civility.recipe import Recipe
from civility.recipe.repeats import Repeat, refuse_both, repeats_on_folds, repeats_with_seeds


def differences(member: Repeat, recipe: Recipe) -> dict[str, object]:
    was = recipe.flat()
    return {key: value for key, value in member.recipe.flat().items() if value != was[key]}


def test_seeds_differ_in_the_seed_and_share_the_split_of_the_first() -> None:
    recipe = Recipe.load("baseline", {"seed": 7})
    members = repeats_with_seeds(recipe, 3)
    assert [member.name for member in members] == ["seed-7", "seed-8", "seed-9"]
    assert differences(members[0], recipe) == {"data.split_seed": 7}
    assert differences(members[2], recipe) == {"seed": 9, "data.split_seed": 7}
    assert {member.recipe.wanted for member in members} == {recipe.wanted}


def test_a_split_that_the_recipe_fixes_stays() -> None:
    members = repeats_with_seeds(Recipe.load("baseline", {"data.split_seed": 0}), 2)
    assert [member.recipe.wanted.seed for member in members] == [0, 0]


def test_members_of_a_member_are_the_same_again() -> None:
    recipe = Recipe.load("baseline")
    assert repeats_with_seeds(repeats_with_seeds(recipe, 2)[0].recipe, 2) == repeats_with_seeds(recipe, 2)
    assert repeats_on_folds(repeats_on_folds(recipe, 3)[0].recipe, 3) == repeats_on_folds(recipe, 3)


def test_folds_differ_in_the_fold_alone() -> None:
    recipe = Recipe.load("baseline")
    members = repeats_on_folds(recipe, 5)
    assert [member.name for member in members] == [f"fold-{fold}" for fold in range(1, 6)]
    assert differences(members[0], recipe) == {"data.folds": 5}
    assert differences(members[3], recipe) == {"data.folds": 5, "data.fold": 4}


def test_what_cannot_be_is_told() -> None:
    recipe = Recipe.load("baseline")
    on_folds = Recipe.load("baseline", {"data.folds": 4})
    late = Recipe.load("baseline", {"seed": 2**32 - 1})
    wrong: tuple[tuple[Callable[[Recipe, int], object], Recipe, int, str], ...] = (
        (repeats_with_seeds, recipe, 1, "--seeds 1: expected 2 seeds or more"),
        (repeats_on_folds, recipe, 1, "--folds 1: expected 2 folds or more"),
        (repeats_on_folds, recipe, 101, "--folds 101: expected 100 folds or fewer"),
        (repeats_on_folds, on_folds, 5, "--folds 5, and data.folds = 4"),
        (repeats_with_seeds, late, 2, "seed = 4294967295: there are no 2 seeds from there up"),
    )
    for make, of, num, message in wrong:
        with pytest.raises(UserError) as caught:
            make(of, num)
        assert caught.value.message == message
    together = "seeds are compared on one split, and folds are several"
    with pytest.raises(UserError, match=f"^--seeds together with --folds: {together}"):
        refuse_both(2, 5)
    with pytest.raises(UserError, match=rf"^--seeds together with data\.folds: {together}"):
        repeats_with_seeds(on_folds, 2)
    refuse_both(2, 0)
    assert repeats_on_folds(on_folds, 4)[0].recipe == on_folds
