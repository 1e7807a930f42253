"""Which comments a run has seen: trained on, or chosen its best epoch by. Only others tell what it is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from civility.arrays import Bools
from civility.data.duplicates import text_digests
from civility.data.prepare import prepare
from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import RunDirectory


@dataclass(frozen=True, eq=False)
class Seen:
    """Of N comments, those that a run has an equal of, up to Unicode form, case and spaces.

    Parameters
    ----------
    trained : (N,) among the comments that it was trained on
    validated : (N,) among those that chose its best epoch; none if the files of these alone have changed since
    """

    trained: Bools
    validated: Bools


def seen_by(target: str, texts: Sequence[str]) -> tuple[Seen | None, str]:
    """Return which comments a run has seen, or None where that cannot be told, with the reason.

    The comments of the run are read again and split as its recipe says; the digests that the run has recorded prove
    that they are the same.

    Parameters
    ----------
    target : a run directory, or any other classifier
    texts : (N,) the comments
    """
    run = RunDirectory.find(Path(target))
    if run is None:
        return None, f"{target} is no run directory, which would tell what it was trained on"
    try:
        recorded = run.read_environment()["data"]
        if not recorded["training"]["digest"]:
            return None, f"{target} is made of classifiers that were trained on different comments"
        recipe = Recipe.load(str(run.recipe))
        data = prepare(recipe.wanted)
        trained_unchanged = recorded["training"]["digest"] == data.training.digest
        validated_unchanged = recorded["validation"]["digest"] == data.validation.digest
    except (UserError, KeyError, TypeError) as error:
        reason = error.message if isinstance(error, UserError) else f"damaged {run.environment.name}"
        return None, f"the training comments of {target} cannot be read again ({reason})"
    if not trained_unchanged:
        return None, f"the files that {target} was trained on have changed since"
    own = text_digests(texts)
    trained = np.isin(own, np.unique(text_digests(data.training.texts)))
    validated = np.isin(own, np.unique(text_digests(data.validation.texts if validated_unchanged else ())))
    return Seen(trained, validated), ""
