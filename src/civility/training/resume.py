"""Resuming a run: from which checkpoint, whether it is of the same run, and what is no longer equal to the bit.

A finished run is not resumed, but has to be the one that is asked for again. Whether a command starts or resumes
(``--resume auto``) is decided in `civility.training.launch`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from civility.data.prepare import PreparedData, prepare
from civility.documents.run_environment import RecordedComments, RecordedData
from civility.engine.checkpoint import DamagedCheckpoint, read_facts, verify_checkpoint
from civility.errors import UserError
from civility.plain_text import count, listed
from civility.recipe import Recipe, changed, differing_settings
from civility.run import RunDirectory
from civility.storage.atomic_files import real_path
from civility.storage.parsing import whole_number

_MOST = 2**62
_MOST_THREADS = 1024
_RESTART = "--restart, which keeps what is there in another folder"
_REMEDY = f"leave out what differs to resume; or {_RESTART}"
_ANOTHER_OUT = "choose another --out"
_KEEP = "leave out what differs to keep this run, or choose another --out to train another one"
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
    """Where a run resumes.

    Parameters
    ----------
    folder : the checkpoint; None for the beginning, if the run has no checkpoint
    facts : saved with it
    notes : which checkpoints were skipped, and why
    in_the_way : checkpoints that cannot be used, in the places of new ones
    forgets_best : whether the best epoch's weights are lost, so that a later epoch has to be the best
    """

    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    in_the_way: tuple[Path, ...] = ()
    forgets_best: bool = False


def best_step_of(folder: Path) -> int:
    """Return the step of the best epoch when a checkpoint was made; 0 before the first, or if it is damaged."""
    try:
        return whole_number(read_facts(folder)["best_step"], "best_step", 0, _MOST)
    except (UserError, ValueError, KeyError):
        return 0


@dataclass(frozen=True)
class EarlierChoices:
    """What the earlier sessions of a run have chosen, and those that resume it keep.

    Parameters
    ----------
    global_size : effective batch size; None for a new run, or if no checkpoint is readable
    threads : of each process; 0 if unknown, and on devices other than a CPU
    batch_size, gradient_accumulation : of the recipe
    forward : name of the forward pass; empty if unknown
    """

    global_size: int | None = None
    threads: int = 0
    batch_size: int = 0
    gradient_accumulation: int = 0
    forward: str = ""

    def keep_fit(self, recipe: Recipe) -> Recipe:
        """Return the recipe with the micro-batch that fitted before, if it asks for one that fits."""
        if self.global_size is None or not recipe.training.fit:
            return recipe
        return recipe.with_batch(self.batch_size, self.gradient_accumulation)


def earlier_choices(run: RunDirectory) -> EarlierChoices:
    """Return what a run has chosen, from its newest readable checkpoint, which is not verified."""
    for folder in reversed(run.checkpoint_folders()):
        try:
            facts = read_facts(folder)
            recipe = facts["recipe"]
            return EarlierChoices(
                whole_number(facts["global_size"], "global_size", 1, _MOST),
                whole_number(facts.get("threads", 0), "threads", 0, _MOST_THREADS),
                whole_number(recipe["training.batch_size"], "training.batch_size", 1, _MOST),
                whole_number(recipe["training.gradient_accumulation"], "training.gradient_accumulation", 1, _MOST),
                str(facts["circumstances"]["the forward pass"]),
            )
        except (UserError, ValueError, KeyError, TypeError):
            continue
    return EarlierChoices()


def find_starting_point(run: RunDirectory, now: Mapping[str, Any]) -> StartingPoint:
    """Return the last intact checkpoint of a run, if possible one whose best epoch is intact too.

    ``now`` is what is asked for, from `civility.training.open_run.checkpoint_facts`.

    Raises
    ------
    UserError : all checkpoints are damaged, or the run was another one
    """
    notes: list[str] = []
    passed: list[Path] = []
    differs = False
    without_best: StartingPoint | None = None
    for folder in reversed(run.checkpoint_folders()):
        facts = _facts_if_usable(folder, now)
        if isinstance(facts, UserError):
            notes.append(f"skipped {folder.name}: {facts.message}")
            passed.append(folder)
            differs |= facts.code == "training.another-run"
            continue
        lost = _damage_of_best(run, folder, facts)
        if lost is None:
            return StartingPoint(folder, facts, tuple(notes), tuple(passed))
        notes.append(f"{folder.name} needs the weights of its best epoch, which are lost: {lost.message}")
        if without_best is None:
            best = run.checkpoint(facts["best_step"])
            in_the_way = (*passed, best) if best.exists() else tuple(passed)
            without_best = StartingPoint(folder, facts, tuple(notes), in_the_way, forgets_best=True)
        passed.append(folder)
    if without_best is not None:
        return without_best
    if notes:
        raise UserError(
            "training.no-usable-checkpoint",
            "no checkpoint can be used:\n       " + "\n       ".join(notes),
            where=run.path,
            remedy=_REMEDY if differs else f"put back an undamaged copy of a checkpoint; or {_RESTART}",
        )
    if run.recipe_file.is_file():
        _refuse(differing_settings(run.load_recipe().flat(), now["recipe"]))
    return StartingPoint()


def _facts_if_usable(folder: Path, now: Mapping[str, Any]) -> dict[str, Any] | UserError:
    """Return the facts of a checkpoint that is intact and of this run; else why it cannot be used."""
    try:
        verify_checkpoint(folder)
        facts = read_facts(folder)
        check_same_run(facts, now)
        for name, low in (("best_step", 0), ("global_size", 1), ("batch_size", 1), ("metrics_size", 0)):
            whole_number(facts[name], name, low, _MOST)
        for name in ("stopping", "loss_watch"):
            facts[name]  # a KeyError if it is missing: both are needed to restore the run
    except UserError as error:
        return error
    except (OSError, ValueError, KeyError, TypeError) as error:
        return DamagedCheckpoint(f"not a checkpoint of a run: {error!r}", where=folder)
    return facts


def _damage_of_best(run: RunDirectory, folder: Path, facts: Mapping[str, Any]) -> DamagedCheckpoint | None:
    best = run.checkpoint(facts["best_step"])
    try:
        if facts["best_step"] and best != folder:
            verify_checkpoint(best, for_resume=False)
    except DamagedCheckpoint as error:
        return error
    return None


def check_same_run(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise a UserError unless a checkpoint is of the run asked for: settings, data, tokens and model are the same."""
    problems = differing_settings(before["recipe"], now["recipe"])
    for part, name in _DATA.items():
        was, wanted = before["data"].get(part, ""), now["data"][part]
        if part == "embedding" and not (was and wanted):
            # Only one side trains part of the embedding: a difference in settings, which `differing_settings` has
            # reported above.
            continue
        same_comments = now["data"].get(f"{part}_comments")
        if same_comments and before["data"].get(f"{part}_comments") == same_comments:
            continue  # a renamed file changes ids that are made from its name; the digest of the tokens holds the order
        if was != wanted:
            problems.append(f"the {name} had the digest {was[:19]}…, and have {wanted[:19]}… now")
    _refuse(problems)


def _refuse(problems: Sequence[str], remedy: str = _REMEDY, run: RunDirectory | None = None) -> None:
    """Raise a UserError that names what differs from a run that has begun; return if nothing does."""
    if problems:
        found = "this is not the run that was begun: " + "\n       ".join(problems)
        raise UserError("training.another-run", found, where=run.path if run else "", remedy=remedy)


_OLD_NAMES = {"the processor": "the CPU"}
"""What checkpoints of older versions call a circumstance."""


def changed_circumstances(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a note on changed circumstances, which change rounding; empty if there are none."""
    changes = []
    for name, was in before["circumstances"].items():
        name = _OLD_NAMES.get(name, name)
        wanted = now["circumstances"].get(name)
        if was != wanted:
            changes.append(f"{name} was {was}, and is {wanted} now")
    if not changes:
        return ()
    return (f"{'; '.join(changes)}: the order of comments stays, but weights are no longer equal to the bit",)


def check_unchanged(run: RunDirectory, recipe: Recipe, data: PreparedData | None = None) -> str:
    """Raise a UserError unless a finished run is the one that is asked for.

    Files may have been renamed or moved, since their comments are compared; a model folder may have been moved.

    Parameters
    ----------
    data : the comments of the recipe, before augmentation; None to read them

    Returns
    -------
    Why the comments were not compared: the run's own files cannot be read any more. Empty if they were compared.

    Raises
    ------
    UserError : a setting or the comments differ; other files are asked for and cannot be read; the run is a soup or an
        ensemble; its environment file is damaged
    """
    recorded = run.environment(_ANOTHER_OUT)
    if recorded.combination is not None:
        found = "combines other classifiers: 'civility train' did not write it and cannot resume it"
        raise UserError("training.not-a-training-run", found, where=run.path, remedy=_ANOTHER_OUT)
    before = run.load_recipe()
    # Both report it if one of the two models is linear.
    problems = list(dict.fromkeys(differing_settings(before.flat(), recipe.flat()) + _differing_model(before, recipe)))
    try:
        data = prepare(recipe.wanted) if data is None else data
    except UserError as error:
        _refuse(problems, _KEEP, run)
        if recipe.wanted != before.wanted:
            raise
        # A finished run does not need its files any more.
        return f"its comments were not compared: {error.message}"
    if not any(problem.startswith(("data.", "seed ")) for problem in problems):
        problems += _differing_comments(recorded.data, data)
    _refuse(problems, _KEEP, run)
    return ""


def check_same_settings(run: RunDirectory, recipe: Recipe) -> None:
    """Raise a UserError if the recipe of a run differs in something that changes the result."""
    _refuse(differing_settings(run.load_recipe().flat(), recipe.flat()), _KEEP, run)


def _differing_model(before: Recipe, now: Recipe) -> list[str]:
    """Return how the models differ; a folder may have been moved if it has kept its name."""
    old, new = Path(before.model.name), Path(now.model.name)
    if before.model.name != now.model.name and not (
        new.is_dir() and (real_path(old) == real_path(new) or (old.name == new.name and not old.exists()))
    ):
        return [changed("model.name", before.model.name, now.model.name)]
    if before.model.revision != now.model.revision:
        return [changed("model.revision", before.model.revision, now.model.revision)]
    return []


def _differing_comments(recorded: RecordedData, data: PreparedData) -> list[str]:
    """Return how the comments differ; ids may, since those that civility makes hold the name of the file."""
    problems = []
    for name, before, dataset, files in (
        ("training", recorded.training, data.training, data.files),
        ("validation", recorded.validation, data.validation, data.validation_files),
    ):
        same_texts = not dataset.group_names and before.comments_digest == dataset.comments_digest
        if before.digest != dataset.digest and not same_texts:
            now = RecordedComments.of(dataset, files)
            problems.append(f"the {name} comments were {_described(before)}, and are {_described(now)} now")
    return problems


def _described(part: RecordedComments) -> str:
    names = f" from {listed(part.files)}" if part.files else ""
    return f"{count(part.num_comments or 0, 'comment')}{names} ({part.digest[:19]})"
