"""Whether a finished run is the one that is asked for again, with the same settings and comments."""

from pathlib import Path

from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData, prepare
from civility.documents.run_environment import RecordedComments, RecordedData
from civility.errors import UserError
from civility.plain_text import count, listed
from civility.recipe import Recipe, changed, differing_settings
from civility.run import RunDirectory
from civility.storage.atomic_files import real_path
from civility.training.resume import not_the_same_run

_REMEDY = "leave out what differs to keep this run, or choose another --out to train another one"


def check_unchanged(run: RunDirectory, recipe: Recipe, data: PreparedData | None = None) -> str:
    """Raise a UserError unless a finished run is the one that is asked for.

    Files may have been renamed or moved, since their comments are compared; a model folder may have been moved.

    Parameters
    ----------
    run : finished
    recipe : what is asked for
    data : its comments, before augmentation; None to read them

    Returns
    -------
    Why the comments were not compared: the run's own files cannot be read any more. Empty if they were compared.

    Raises
    ------
    UserError : a setting or the comments differ; other files are asked for and cannot be read; the run is a soup or an
        ensemble; its environment file is damaged
    """
    recorded = _recorded(run)
    before = run.load_recipe()
    # Both report it if one of the two models is linear.
    problems = list(dict.fromkeys(differing_settings(before.flat(), recipe.flat()) + _differing_model(before, recipe)))
    try:
        data = prepare(recipe.wanted) if data is None else data
    except UserError as error:
        if problems:
            raise not_the_same_run(problems, _REMEDY, run) from error
        if recipe.wanted != before.wanted:
            raise
        # A finished run does not need its files any more.
        return f"its comments were not compared: {error.message}"
    if not any(problem.startswith(("data.", "seed ")) for problem in problems):
        problems += _differing_comments(recorded, data)
    if problems:
        raise not_the_same_run(problems, _REMEDY, run)
    return ""


def check_same_settings(run: RunDirectory, recipe: Recipe) -> None:
    """Raise a UserError if the recipe of a run differs in something that changes the result."""
    problems = differing_settings(run.load_recipe().flat(), recipe.flat())
    if problems:
        raise not_the_same_run(problems, _REMEDY, run)


def _recorded(run: RunDirectory) -> RecordedData:
    """Return the record of a run's comments."""
    environment = run.environment("choose another --out")
    if environment.combination is not None:
        raise UserError(
            "training.not-a-training-run",
            "combines other classifiers: 'civility train' did not write it and cannot resume it",
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
    """Whether two names mean the same model: equal, one folder, or a folder that was moved and kept its name."""
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
    """Whether comments are those that were recorded, in texts, targets, labels and groups.

    Ids may differ: those that civility makes hold the name of the file.
    """
    if recorded.digest == dataset.digest:
        return True
    return not dataset.group_names and recorded.comments_digest == dataset.comments_digest


def _described(part: RecordedComments) -> str:
    names = f" from {listed(part.files)}" if part.files else ""
    return f"{count(part.num_comments or 0, 'comment')}{names} ({part.digest[:19]})"
