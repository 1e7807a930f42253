"""Changed copies of comments, to train on beside them: the perturbations of `perturb`, drawn from a seed.

Knows datasets; knows nothing of recipes or of what the copies are for.
"""

from collections.abc import Sequence

import numpy as np

from civility.data.dataset import Dataset
from civility.errors import UserError, did_you_mean
from civility.evaluation.probes.perturb import PERTURBATIONS

_STRENGTHS = (0.1, 0.5)
"""Between these a copy's is drawn: from a slip of the finger to every second place."""


def check_perturbations(names: Sequence[str]) -> None:
    """Raise a UserError if there is no perturbation of one of the names, or one stands twice."""
    known = [one.name for one in PERTURBATIONS]
    for name in names:
        if name not in known:
            raise UserError(
                "evaluation.todo",
                f"data.augmentation: no perturbation {name!r}{did_you_mean(name, known)}",
                remedy=f"there are: {', '.join(known)}",
            )
        if names.count(name) > 1:
            raise UserError("evaluation.todo", f"data.augmentation: {name} is named twice", remedy="name each once")


def changed_copies(dataset: Dataset, names: Sequence[str], share: float, seed: int) -> Dataset:
    """Return copies of some of the comments, each changed by one perturbation, with the targets that they have.

    Which comments, by which perturbation and how much is drawn from the seed; a comment that has no place to change
    gives no copy.

    Parameters
    ----------
    names : of perturbations
    share : of the comments that are drawn, in (0, 1]

    Raises
    ------
    UserError : no such perturbation
    """
    check_perturbations(names)
    chosen = [one for one in PERTURBATIONS if one.name in names]
    rng = np.random.default_rng([seed, len(dataset)])
    drawn = np.sort(rng.permutation(len(dataset))[: round(share * len(dataset))])
    kinds, strengths = rng.integers(len(chosen), size=len(drawn)), rng.uniform(*_STRENGTHS, size=len(drawn))
    rows, texts, ids = [], [], []
    for row, kind, strength in zip(drawn.tolist(), kinds.tolist(), strengths.tolist(), strict=True):
        text = chosen[kind].apply(dataset.texts[row], strength, seed)
        if text != dataset.texts[row]:
            rows.append(row)
            texts.append(text)
            ids.append(f"{dataset.ids[row]}:{chosen[kind].name}")
    return Dataset(
        tuple(texts),
        dataset.targets[rows],
        tuple(ids),
        dataset.labels,
        dataset.groups[rows],
        dataset.group_names,
    )
