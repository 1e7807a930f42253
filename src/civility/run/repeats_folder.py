"""A folder of several runs that belong together: whether it can be one, and what was asked for there."""

import re
from collections.abc import Collection
from pathlib import Path

from civility.errors import UserError
from civility.run.run_directory import Begin, RunDirectory

_MEMBER = re.compile(r"(?:seed|fold)-(\d+)")


def check_place_of_several(out: Path, begin: Begin) -> None:
    """Raise a UserError if several runs cannot be begun, or gone on with, in a folder; only names are looked at."""
    place = RunDirectory(out)
    if begin == "restart":
        raise UserError(
            "run.todo",
            "--restart with --seeds or --folds: several runs are never put aside",
            remedy="choose another --out, or --resume",
        )
    if begin == "new":
        if place.is_begun:
            raise UserError(
                "run.todo",
                "exists and is not empty: runs are never written over others",
                where=out,
                remedy="--resume goes on with them; or choose another --out",
            )
        return
    if not place.is_begun:
        raise UserError(
            "run.todo",
            "there are no runs to go on with",
            where=out,
            remedy="leave out --resume, or say --resume auto, to start them",
        )
    if place.is_run:
        raise UserError(
            "run.todo", "is a single run, not a folder of several", where=out, remedy="choose another --out"
        )


def refuse_other_kind(out: Path, names: Collection[str]) -> None:
    """Raise a UserError if a folder holds folds and these are seeds, or the other way round: one summary is for one."""
    kinds = {name.partition("-")[0] for name in names}
    others = sorted(
        path.name
        for path in out.glob("*-*")
        if _MEMBER.fullmatch(path.name) and path.name.partition("-")[0] not in kinds
    )
    if others:
        raise UserError(
            "run.todo",
            f"holds {others[0]}, and is not the folder of runs named {' or '.join(sorted(kinds))}-…",
            where=out,
            remedy="choose another --out: seeds and folds have a summary each",
        )


def first_member(out: Path) -> RunDirectory | None:
    """Return the run with the lowest seed, or on the first fold, that has a recipe; None if none has."""
    found = {int(match[1]): path for path in out.glob("*-*") if (match := _MEMBER.fullmatch(path.name))}
    runs = (RunDirectory(found[number]) for number in sorted(found))
    return next((run for run in runs if run.recipe.is_file()), None)
