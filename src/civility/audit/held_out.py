"""Which comments a classifier was not trained on: only its scores of these can tell label errors."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from civility.data.dataset import Bools
from civility.data.duplicates import text_digests
from civility.data.prepare import prepare
from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import RunDirectory


def find_held_out(target: str, texts: Sequence[str]) -> tuple[Bools | None, str]:
    """Return which comments the run's training had no equal of, or None where that cannot be told, with the reason.

    The training comments of the run are read again and split as its recipe says; the digest that the run has
    recorded proves that they are the same.

    Parameters
    ----------
    target : a run directory, or any other classifier
    texts : (N,) the comments
    """
    run = RunDirectory.find(Path(target))
    if run is None:
        return None, f"{target} is no run directory, which would tell what it was trained on"
    try:
        recorded = run.read_environment()["data"]["training"]["digest"]
        recipe = Recipe.load(str(run.recipe))
        training = prepare(recipe.data.files, recipe.data.validation, recipe.data.columns, recipe.seed).training
    except (UserError, json.JSONDecodeError, KeyError, TypeError) as error:
        reason = error.message if isinstance(error, UserError) else f"damaged {run.environment.name}"
        return None, f"the training comments of {target} cannot be read again ({reason})"
    if training.digest != recorded:
        return None, f"the files that {target} was trained on have changed since"
    return ~np.isin(text_digests(texts), np.unique(text_digests(training.texts))), ""
