"""The recipes of several runs that belong together: the same with other seeds, or on the folds of one another.

Knows no file and imports nothing heavy.
"""

from dataclasses import dataclass

from civility.errors import UserError
from civility.recipe.recipe import Recipe


@dataclass(frozen=True)
class Repeat:
    """One of several runs: the name of its folder, and what it is asked to do."""

    name: str
    recipe: Recipe


def repeats_with_seeds(recipe: Recipe, num: int) -> tuple[Repeat, ...]:
    """Return ``num`` runs with the seeds from that of the recipe up, all on the split of the first.

    Raises
    ------
    UserError : fewer than 2, or a seed that is none
    """
    _check_number("--seeds", num, "seeds", 1000)
    if recipe.seed + num > 2**32:
        raise UserError(
            "recipe.todo", f"seed = {recipe.seed}: there are no {num} seeds from there up", remedy="--set seed=42"
        )
    if recipe.data.folds:
        raise _both("--seeds", "data.folds")
    split_seed = recipe.data.split_seed if recipe.data.split_seed >= 0 else recipe.seed
    data = recipe.data.model_copy(update={"split_seed": split_seed})
    seeds = range(recipe.seed, recipe.seed + num)
    return tuple(Repeat(f"seed-{seed}", recipe.model_copy(update={"seed": seed, "data": data})) for seed in seeds)


def repeats_on_folds(recipe: Recipe, num: int) -> tuple[Repeat, ...]:
    """Return ``num`` runs, each validated on one of so many folds and trained on the others.

    Raises
    ------
    UserError : fewer than 2, more than a recipe can have, or the recipe has another number
    """
    _check_number("--folds", num, "folds", 100)
    if recipe.data.folds not in (0, num):
        raise UserError(
            "recipe.todo",
            f"--folds {num}, and data.folds = {recipe.data.folds}",
            remedy="say the same number, or one of them",
        )
    members = []
    for fold in range(1, num + 1):
        data = recipe.data.model_copy(update={"folds": num, "fold": fold})
        members.append(Repeat(f"fold-{fold}", recipe.model_copy(update={"data": data})))
    return tuple(members)


def refuse_both(num_seeds: int, num_folds: int) -> None:
    """Raise a UserError where both seeds and folds are asked for."""
    if num_seeds and num_folds:
        raise _both("--seeds", "--folds")


def _both(first: str, other: str) -> UserError:
    return UserError(
        "recipe.todo",
        f"{first} together with {other}: seeds are compared on one split, and folds are several",
        remedy="choose one; for both, repeat the command of folds with --set seed=43 and another --out",
    )


def _check_number(option: str, num: int, noun: str, most: int) -> None:
    if num > most:
        raise UserError("recipe.todo", f"{option} {num}: expected {most:,} {noun} or fewer", remedy="5 or 10 are usual")
    if num < 2:
        raise UserError(
            "recipe.todo", f"{option} {num}: expected 2 {noun} or more", remedy=f"leave out {option} for a single run"
        )
