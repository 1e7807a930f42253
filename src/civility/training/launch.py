"""How a command begins a run: in which directory, new or resumed, and by which recipe.

Imports no torch, so that a mistake is reported before the seconds that importing it takes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from civility.recipe import Recipe
from civility.run import Begin, RunDirectory

DEFAULT_RECIPE = "baseline"


def choose_place(
    recipe: str, out: str, resume: Literal["no", "yes", "auto"], *, restart: bool, ending: str = ""
) -> tuple[RunDirectory, Begin]:
    """Return the run directory to write or to resume, and how the run begins there.

    Parameters
    ----------
    recipe : name or file; without ``out`` the directory is ``runs/NAME``, numbered if needed
    out : path of the directory; may be empty
    resume : whether to resume the run there; "auto" resumes if the directory holds anything
    restart : whether to put that run aside
    ending : added to the recipe's name in ``runs/NAME``; unused if ``out`` is given
    """
    path = Path(out) if out else _numbered(Path(recipe).stem + ending, newest=restart or resume != "no")
    run = RunDirectory(path)
    if restart:
        return run, "restart"
    return run, "resume" if resume == "yes" or (resume == "auto" and run.is_occupied) else "new"


def _numbered(name: str, *, newest: bool) -> Path:
    """Return the first of ``runs/NAME``, ``runs/NAME-2``, … that does not exist.

    If ``newest``, the last of ``runs/NAME-2``, ``runs/NAME-3``, … before the first that does not exist, whether or not
    ``runs/NAME`` itself exists; ``runs/NAME`` if there is no ``runs/NAME-2``.
    """
    runs, number = Path("runs"), 2
    path = runs / name
    if not newest:
        while path.exists():
            path, number = runs / f"{name}-{number}", number + 1
        return path
    while (following := runs / f"{name}-{number}").exists():
        path, number = following, number + 1
    return path


def choose_recipe(name: str, changes: Mapping[str, object], before: RunDirectory | None) -> Recipe:
    """Return the recipe that a command names, or that of the run to resume.

    Parameters
    ----------
    name : of a shipped recipe or a file; empty: the recipe of the run to resume, or the default
    changes : ``{"section.key": value}``
    before : the run to resume, whose comments a recipe without files gets; None for a new run
    """
    if before is None or not before.recipe_file.is_file():
        return Recipe.load(name or DEFAULT_RECIPE, changes)
    if not name:
        return before.load_recipe(changes)
    recipe = Recipe.load(name, changes)
    if recipe.data.files:
        return recipe
    data = before.load_recipe().data
    validation = list(data.validation) if isinstance(data.validation, tuple) else data.validation
    return Recipe.load(name, {"data.files": list(data.files), "data.validation": validation, **changes})
