"""Going on with a run: which checkpoint, whether it is the same run that is asked for, and what is no longer exact.

Knows what a checkpoint says of its run; loads no tensor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.training.checkpoint import DamagedCheckpoint, read_facts, verify_checkpoint

# What may differ from the recipe of the run that is gone on with: it changes no number that training computes, or,
# like the files' names and the sharing of a batch, is compared in another way below.
_FREE = {
    "data.files",
    "training.batch_size",
    "training.gradient_accumulation",
    "training.device",
    "training.checkpoint_minutes",
    "training.checkpoint_steps",
}


_DATA = {
    "training": "training comments",
    "validation": "validation comments",
    "tokens": "tokens of the training comments",
    "validation_tokens": "tokens of the validation comments",
}


@dataclass(frozen=True)
class StartingPoint:
    """Where a run is gone on with.

    Parameters
    ----------
    folder : the checkpoint; None for the beginning, where the run was ended before its first checkpoint
    facts : that were saved with it
    notes : for a person: which checkpoints were passed over
    damaged : the checkpoints that were passed over
    """

    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    damaged: tuple[Path, ...] = ()


def find_starting_point(run: RunDirectory) -> StartingPoint:
    """Return the last checkpoint that is whole, and whose best epoch's is.

    Raises
    ------
    UserError : there are checkpoints, and none of them can be used
    """
    notes: list[str] = []
    damaged: list[Path] = []
    for folder in reversed(run.checkpoint_folders()):
        try:
            verify_checkpoint(folder)
            facts = read_facts(folder)
            best = run.checkpoint(facts["best_step"])
            if facts["best_step"] and best != folder:
                verify_checkpoint(best)
        except DamagedCheckpoint as error:
            notes.append(f"passed over {folder.name}: {error.message}")
            damaged.append(folder)
            continue
        return StartingPoint(folder, facts, tuple(notes), tuple(damaged))
    if damaged:
        raise UserError(
            f"{run.path}: no checkpoint can be used:\n       " + "\n       ".join(notes),
            "--restart begins again, and keeps what is there in another folder",
        )
    return StartingPoint()


def check_same_run(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare what a checkpoint says of its run with what is asked for now: facts as `describe_run` returns them.

    Raises
    ------
    UserError : a setting, the data or the tokens differ in something that changes the result
    """
    problems = []
    for key in sorted({*before["recipe"], *now["recipe"]} - _FREE):
        was, wanted = before["recipe"].get(key), now["recipe"].get(key)
        if was != wanted and not (key == "data.validation" and isinstance(was, str) and isinstance(wanted, str)):
            problems.append(f"{key} was {was!r}, and is {wanted!r} now")
    for part, name in _DATA.items():
        was, wanted = before["data"][part], now["data"][part]
        if was != wanted:
            problems.append(f"the {name} had the digest {was[:19]}…, and have {wanted[:19]}… now")
    was, wanted = _batch(before), _batch(now)
    if was != wanted:
        problems.append(f"training.batch_size times training.gradient_accumulation was {was}, and is {wanted} now")
    if problems:
        raise UserError(
            "this is not the run that was begun: " + "\n       ".join(problems),
            "leave out what differs to go on with it; --restart begins anew, and keeps what is there in another folder",
        )


def _batch(facts: Mapping[str, Any]) -> int:
    recipe = facts["recipe"]
    return int(recipe["training.batch_size"] * recipe["training.gradient_accumulation"])


def changed_circumstances(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a note on each circumstance that changes the rounding of numbers: facts as of `check_same_run`."""
    changes = []
    for name, was in before["circumstances"].items():
        wanted = now["circumstances"].get(name)
        if was != wanted:
            changes.append(f"{name} was {was}, and is {wanted} now")
    if not changes:
        return ()
    return (f"{'; '.join(changes)}: the same comments in the same order, but no longer equal to the bit",)


def describe_run(recipe: Recipe, digests: Mapping[str, str], circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint says of its run.

    Parameters
    ----------
    recipe : what was asked
    digests : of the ``training`` and ``validation`` data, and of their ``tokens``
    circumstances : what changes the rounding of numbers, by name
    """
    return {"recipe": recipe.flat(), "data": dict(digests), "circumstances": dict(circumstances)}
