"""What training sees beside the comments as they were read: changed copies, and what a caller makes of them.

After the split, and of the training comments alone; nothing that equals a validation comment comes in.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from civility.data.dataset import Dataset
from civility.data.duplicates import text_digests
from civility.data.prepare import PreparedData
from civility.errors import UserError
from civility.evaluation.probes.perturb import changed_copies
from civility.plain_text import count
from civility.recipe import Recipe

Augment = Callable[[Dataset], Dataset]
"""Training comments -> those to train on in their place, on the same labels; the same every time that it is called."""


def augmented(recipe: Recipe, data: PreparedData, augment: Augment | None = None) -> PreparedData:
    """Return the data with training as the recipe and the caller augment it; ``data`` itself if neither does.

    Parameters
    ----------
    augment : is given the training comments, changed copies among them

    Raises
    ------
    UserError : no such perturbation; what the caller returns is on other labels, or nothing
    """
    training = data.training
    added, notes = data.added, data.notes
    if recipe.data.augmentation:
        settings = recipe.data
        copies = changed_copies(training, settings.augmentation, settings.augmentation_share, recipe.seed)
        added += (count(len(copies), "changed copy", "changed copies"),)
        training = training.joined(copies)
    if augment is not None:
        training = _checked(augment(training), data.training)
    if training is data.training:
        return data
    training, num_left_out = _without_validation(training, data)
    if num_left_out:
        notes += (f"{count(num_left_out, 'comment')} that augmentation gave left out: validation has equal ones",)
    return replace(data, training=training, original=data.training, notes=notes, added=added)


def _checked(found: Dataset, expected: Dataset) -> Dataset:
    if (found.labels, found.group_names) != (expected.labels, expected.group_names):
        raise UserError(
            "training.todo",
            f"augment: returned comments with labels {', '.join(found.labels)} and groups "
            f"{', '.join(found.group_names) or 'none'}; they had labels "
            f"{', '.join(expected.labels)} and groups "
            f"{', '.join(expected.group_names) or 'none'}",
            remedy="return a Dataset on the labels and groups of the one that it was given",
        )
    if not len(found):
        raise UserError(
            "training.todo",
            "augment: returned no comment",
            remedy="return the comments to train on, those given among them",
        )
    return found


def _without_validation(training: Dataset, data: PreparedData) -> tuple[Dataset, int]:
    """Leave out what equals a validation comment, unless it was in training before: that is not of our making."""
    digests = text_digests(training.texts)
    leaked = np.isin(digests, text_digests(data.validation.texts)) & ~np.isin(
        digests, text_digests(data.training.texts)
    )
    return (training.select(np.flatnonzero(~leaked)) if leaked.any() else training), int(leaked.sum())
