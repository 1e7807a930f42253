"""Going on with a run: which checkpoint, whether it is the same run that is asked for, and what is no longer exact.

Knows what a checkpoint says of its run; loads no tensor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from civility.engine.checkpoint import DamagedCheckpoint, read_facts, verify_checkpoint
from civility.errors import UserError
from civility.recipe import Recipe
from civility.recipe.differences import differing_settings
from civility.run import RunDirectory
from civility.storage.parsing import whole_number

_MOST = 2**62
_MOST_THREADS = 1024
_REMEDY = "leave out what differs to go on; --restart begins again, and keeps what is there in another folder"
_DATA = {
    "training": "training comments",
    "validation": "validation comments",
    "tokens": "tokens of the training comments",
    "validation_tokens": "tokens of the validation comments",
    "model": "settings in the model's config.json",
    "embedding": "token embeddings of the model, of which the run trains those in use",
}


@dataclass(frozen=True)
class StartingPoint:
    """Where a run is gone on with.

    Parameters
    ----------
    folder : the checkpoint; None for the beginning, where the run was ended before its first checkpoint
    facts : that were saved with it
    notes : for a person: which checkpoints were passed over
    in_the_way : checkpoints that cannot be used, and would stand where new ones are to come
    forgets_best : the best epoch's weights are lost: a later one has to be the best
    """

    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    in_the_way: tuple[Path, ...] = ()
    forgets_best: bool = False


def best_step_of(folder: Path) -> int:
    """Return the step of the best epoch when a checkpoint was made; 0 before the first, or where it does not say."""
    try:
        return whole_number(read_facts(folder)["best_step"], "best_step", 0, _MOST)
    except (UserError, ValueError, KeyError):
        return 0


@dataclass(frozen=True)
class Former:
    """What a run that is gone on with had settled for itself, and keeps.

    Parameters
    ----------
    global_size : its effective batch; None where there is no such run, or no checkpoint of it tells
    threads : of each process; 0 where it does not tell, and on anything but a processor
    batch_size, gradient_accumulation : of its recipe
    """

    global_size: int | None = None
    threads: int = 0
    batch_size: int = 0
    gradient_accumulation: int = 0

    def keep_fit(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the sharing of a step that fitted before, where it asks for one that fits."""
        if self.global_size is None or not recipe.training.fit:
            return recipe
        return recipe.with_batch(self.batch_size, self.gradient_accumulation)


def former_of(run: RunDirectory) -> Former:
    """Return what a run had settled, by its newest checkpoint that tells, unverified."""
    for folder in reversed(run.checkpoint_folders()):
        try:
            facts = read_facts(folder)
            recipe = facts["recipe"]
            return Former(
                whole_number(facts["global_size"], "global_size", 1, _MOST),
                whole_number(facts.get("threads", 0), "threads", 0, _MOST_THREADS),
                whole_number(recipe["training.batch_size"], "training.batch_size", 1, _MOST),
                whole_number(recipe["training.gradient_accumulation"], "training.gradient_accumulation", 1, _MOST),
            )
        except (UserError, ValueError, KeyError, TypeError):
            continue
    return Former()


def find_starting_point(run: RunDirectory, now: Mapping[str, Any]) -> StartingPoint:
    """Return the last checkpoint of this run that is whole; one whose best epoch's is whole too, if there is any.

    Parameters
    ----------
    run : where to look
    now : what is asked for, as `describe_run` returns it

    Raises
    ------
    UserError : there are checkpoints, and all are damaged, or of another run
    """
    notes: list[str] = []
    passed: list[Path] = []
    without_best: StartingPoint | None = None
    for folder in reversed(run.checkpoint_folders()):
        facts, reason = _facts_if_usable(folder, now)
        if facts is None:
            notes.append(f"passed over {folder.name}: {reason.message if reason else ''}")
            passed.append(folder)
            continue
        lost = _damage_of_best(run, folder, facts)
        if lost is None:
            return StartingPoint(folder, facts, tuple(notes), tuple(passed))
        notes.append(f"{folder.name} goes back to a best epoch whose weights are lost: {lost.message}")
        if without_best is None:
            best = [path for path in (run.checkpoint(facts["best_step"]),) if path.exists()]
            without_best = StartingPoint(folder, facts, tuple(notes), (*passed, *best), forgets_best=True)
        passed.append(folder)
    if without_best is not None:
        return without_best
    if notes:
        raise UserError(
            "training.todo",
            f"{run.path}: no checkpoint can be used:\n       " + "\n       ".join(notes),
            remedy=_REMEDY,
        )
    if run.recipe_file.is_file():
        _refuse(differing_settings(run.load_recipe().flat(), now["recipe"]))
    return StartingPoint()


def _facts_if_usable(folder: Path, now: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, UserError | None]:
    """Return what a checkpoint says of its run if it is whole and of this run; else why it cannot be used."""
    try:
        verify_checkpoint(folder)
        facts = read_facts(folder)
        check_same_run(facts, now)
        for name, low in (("best_step", 0), ("global_size", 1), ("batch_size", 1), ("metrics_size", 0)):
            whole_number(facts[name], name, low, _MOST)
        for name in ("stopping", "loss_watch"):
            facts[name]
    except UserError as error:
        return None, error
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, DamagedCheckpoint(f"no checkpoint of a run: {error!r}", where=folder)
    return facts, None


def _damage_of_best(run: RunDirectory, folder: Path, facts: Mapping[str, Any]) -> DamagedCheckpoint | None:
    best = run.checkpoint(facts["best_step"])
    try:
        if facts["best_step"] and best != folder:
            verify_checkpoint(best, for_resume=False)
    except DamagedCheckpoint as error:
        return error
    return None


def check_same_run(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare what a checkpoint says of its run with what is asked for now: facts as `describe_run` returns them.

    Raises
    ------
    UserError : a setting, the data, the tokens or the model differ in something that changes the result
    """
    problems = differing_settings(before["recipe"], now["recipe"])
    for part, name in _DATA.items():
        was, wanted = before["data"].get(part, ""), now["data"][part]
        if part == "embedding" and not (was and wanted):
            continue  # trained in part before or now, not both: a setting, which is told below
        same_comments = now["data"].get(f"{part}_comments")
        if same_comments and before["data"].get(f"{part}_comments") == same_comments:
            continue  # a renamed file has other made-up ids; the digest of the tokens holds the order
        if was != wanted:
            problems.append(f"the {name} had the digest {was[:19]}…, and have {wanted[:19]}… now")
    _refuse(problems)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise UserError(
            "training.todo", "this is not the run that was begun: " + "\n       ".join(problems), remedy=_REMEDY
        )


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
    digests : of the ``training`` and ``validation`` comments, of their tokens, and of the ``model``'s settings
    circumstances : what changes the rounding of numbers, by name
    """
    return {"recipe": recipe.flat(), "data": dict(digests), "circumstances": dict(circumstances)}
