"""Places of runs: whether and how a run can begin there, and where the classifier of a TARGET is."""

from pathlib import Path
from typing import Literal

from civility.documents.run_environment import RunEnvironment
from civility.errors import UserError, did_you_mean_file
from civility.run.run_directory import NAMES, RunDirectory
from civility.storage.atomic_files import check_utf8, explain_os_error

Begin = Literal["new", "resume", "restart"]
"""Train in an empty place; resume the run there; put that run aside and train in its place."""


def check_place(run: RunDirectory, begin: Begin) -> None:
    """Raise a UserError if a run cannot begin here in this way. Reads names and ``environment.json`` only."""
    if begin == "restart":
        check_utf8(run.path, "choose another --out")
    if begin == "resume" or (begin == "restart" and run.is_occupied):
        check_resumable(run)
    if begin == "resume":
        RunEnvironment.read_to_replace(run.environment_file)  # a newer one is refused
    elif begin == "new":
        run.check_free()


def check_resumable(run: RunDirectory) -> None:
    """Raise a UserError unless a run has begun here, even if it was killed while writing its first files."""
    entries = run.entries()
    if not entries:
        remedy = "leave out --resume, or use --resume auto, to start a run"
        raise UserError("run.nothing-to-resume", "no run has begun here", where=run.path, remedy=remedy)
    if not entries <= NAMES and not run.is_run:
        remedy = "give a run directory with --out"
        raise UserError("run.not-a-run", "not a run directory", where=run.path, remedy=remedy)


def check_unfinished(run: RunDirectory) -> None:
    """Raise a UserError if the run is finished."""
    if run.is_finished:
        found = "this run is finished: there is nothing to resume"
        raise UserError("run.finished", found, where=run.path, remedy="choose another --out")


def put_aside(run: RunDirectory) -> Path | None:
    """Rename the directory to ``NAME.before-N`` and return its new path; None if there is nothing to rename.

    Raises
    ------
    UserError : the folder holds something else, another process is writing to it, no permission
    """
    if not run.is_occupied:
        return None
    check_resumable(run)
    number = 1
    while (aside := run.path.with_name(f"{run.path.name}.before-{number}")).exists():
        number += 1
    with run.locked(), explain_os_error(run.path):
        run.path.rename(aside)
        (aside / run.lock.name).unlink()
    return aside


def classifier_folder(target: str) -> str:
    """Return the folder of a TARGET's classifier: inside a run directory, or the target itself.

    Raises
    ------
    UserError : the run has no classifier yet, or the target is a path to nothing
    """
    path = Path(target)
    run = RunDirectory.find(path)
    if run is not None:
        if not run.is_finished:
            found = "the run has no classifier yet: it was interrupted before its end"
            remedy = f"civility train --resume --out {target}"
            raise UserError("run.unfinished", found, where=target, remedy=remedy)
        return str(run.classifier)
    if missing := RunDirectory(path).missing:
        raise UserError(
            "run.incomplete",
            f"no {' and no '.join(missing)}: the run directory is incomplete",
            where=target,
            remedy=f"put back what is missing; or give the classifier alone: {RunDirectory(path).classifier}",
        )
    kinds = "a run directory, a classifier folder or a hub repository"
    if path.is_file():
        raise UserError("run.not-a-classifier", "a file", where=target, expected=kinds, remedy=f"give {kinds}")
    if not path.exists() and len(path.parts) > 1 and path.parent.is_dir():
        # Names of hub repositories have a slash too, but a folder with the owner's name is hardly here by chance.
        siblings = [other.name for other in path.parent.iterdir() if other.is_dir()]
        raise UserError(
            "run.no-such-folder",
            f"no such folder{did_you_mean_file(path.name, siblings)}",
            where=target,
            remedy="give a run directory or a classifier folder that exists. To load the hub model of that name, "
            f"run the command where no folder {path.parent} exists",
        )
    return target
