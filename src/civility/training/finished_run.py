"""A finished run that is asked for again: the same run, or one with other settings or other comments.

Knows recipes, digests and what a run has recorded; loads no model.
"""

from collections.abc import Sequence
from pathlib import Path

from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData, prepare
from civility.documents.run_environment import RecordedComments, RecordedData
from civility.errors import UserError
from civility.plain_text import count, listed
from civility.recipe import Recipe
from civility.recipe.differences import changed, differing_settings
from civility.run import RunDirectory
from civility.storage.atomic_files import real_path

_REMEDY = "leave out what differs to keep this run, or choose another --out to train another one"


def check_unchanged(run: RunDirectory, recipe: Recipe, data: PreparedData | None = None) -> str:
    """Raise a UserError unless a finished run is the one that is asked for now.

    Files may have been renamed or moved: the comments in them are compared. A model folder may have been moved.

    Parameters
    ----------
    run : finished
    recipe : what is asked for now
    data : its comments, before augmentation; None to read them

    Returns
    -------
    Why the comments were not compared: the files of the run itself are asked for, and cannot be read any more. Empty
    if they were.

    Raises
    ------
    UserError : a setting or the comments differ, with both values; other comments than the run's are asked for, and
        cannot be read; the folder was left by another verb; its record is damaged
    """
    recorded = _recorded(run)
    before = run.load_recipe()
    # Both see it where one of the two models is linear.
    problems = list(dict.fromkeys(differing_settings(before.flat(), recipe.flat()) + _differing_model(before, recipe)))
    try:
        data = prepare(recipe.wanted) if data is None else data
    except UserError as error:
        if problems:
            raise _another(run, problems) from error
        if recipe.wanted != before.wanted:
            raise
        # The same files are asked for, and they are gone or cannot be read: a finished run needs them no more.
        return f"whether its comments are still the same was not checked: {error.message}"
    if not any(problem.startswith(("data.", "seed ")) for problem in problems):  # else the comments follow from these
        problems += _differing_comments(recorded, data)
    if problems:
        raise _another(run, problems)
    return ""


def check_same_settings(run: RunDirectory, recipe: Recipe) -> None:
    """Raise a UserError if a run was asked for by a recipe that differs in something that changes the result."""
    problems = differing_settings(run.load_recipe().flat(), recipe.flat())
    if problems:
        raise _another(run, problems)


def _another(run: RunDirectory, problems: Sequence[str]) -> UserError:
    return UserError(
        "training.todo",
        f"{run.path}: this is not the run that was begun: " + "\n       ".join(problems),
        remedy=_REMEDY,
    )


def _recorded(run: RunDirectory) -> RecordedData:
    """Return what a run has recorded of its comments, by part."""
    environment = run.environment("choose another --out")
    if environment.combination is not None:
        raise UserError(
            "training.todo",
            "was not made by 'civility train': it combines other classifiers, and cannot be resumed",
            where=run.path,
            remedy="choose another --out",
        )
    return environment.data


def _differing_model(before: Recipe, now: Recipe) -> list[str]:
    problems = []
    if not _is_same_place(before.model.name, now.model.name):
        problems.append(changed("model.name", before.model.name, now.model.name))
    elif before.model.revision != now.model.revision:
        problems.append(changed("model.revision", before.model.revision, now.model.revision))
    return problems


def _is_same_place(was: str, now: str) -> bool:
    """Whether two names are of the same model: equal, one folder, or a folder that was moved and kept its name."""
    if was == now:
        return True
    old, new = Path(was), Path(now)
    if not new.is_dir():
        return False
    return real_path(old) == real_path(new) or (old.name == new.name and not old.exists())


def _differing_comments(recorded: RecordedData, data: PreparedData) -> list[str]:
    parts = {
        "training": (recorded.training, data.training, data.files),
        "validation": (recorded.validation, data.validation, data.validation_files),
    }
    return [
        f"the {name} comments were {_described(before)}, and are {_described(RecordedComments.of(dataset, files))} now"
        for name, (before, dataset, files) in parts.items()
        if not is_same_data(before, dataset)
    ]


def is_same_data(recorded: RecordedComments, dataset: Dataset) -> bool:
    """Whether comments are those that were recorded: equal in all, or in texts, targets and labels.

    Made-up ids hold the name of a file, so ids alone make no difference. Groups do: the report measures them.
    """
    if recorded.digest == dataset.digest:
        return True
    return not dataset.group_names and recorded.comments_digest == dataset.comments_digest


def _described(part: RecordedComments) -> str:
    names = f" from {listed(part.files)}" if part.files else ""
    return f"{count(part.num_comments or 0, 'comment')}{names} ({part.digest[:19]})"
