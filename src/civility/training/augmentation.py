"""Augmentation of the training comments, after the split; copies of validation comments are left out."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from civility.data.dataset import Dataset, text_digests
from civility.data.prepare import PreparedData
from civility.errors import UserError
from civility.evaluation.perturb import changed_copies
from civility.plain_text import count
from civility.recipe import Recipe

Augment = Callable[[Dataset], Dataset]
"""Training comments -> those to train on, with the same labels; must return the same comments at every call."""


def augmented(recipe: Recipe, data: PreparedData, augment: Augment | None = None) -> PreparedData:
    """Return the data with the training comments as recipe and caller augment them; ``data`` itself if neither does.

    Parameters
    ----------
    recipe : of the run
    data : the comments
    augment : called with the training comments, including changed copies

    Raises
    ------
    UserError : an unknown perturbation, or ``augment`` returns other labels or no comments
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
        notes += (f"{count(num_left_out, 'comment')} from augmentation left out: validation has equal ones",)
    return replace(data, training=training, original=data.training, notes=notes, added=added)


def _checked(found: Dataset, expected: Dataset) -> Dataset:
    if (found.labels, found.group_names) != (expected.labels, expected.group_names):
        raise UserError(
            "training.augment",
            f"augment: returned comments with labels {', '.join(found.labels)} and groups "
            f"{', '.join(found.group_names) or 'none'}; they had labels "
            f"{', '.join(expected.labels)} and groups "
            f"{', '.join(expected.group_names) or 'none'}",
            remedy="return a Dataset with the labels and groups of the one given",
        )
    if not len(found):
        raise UserError(
            "training.augment",
            "augment: returned no comments",
            remedy="return the comments to train on, including those given",
        )
    return found


def _without_validation(training: Dataset, data: PreparedData) -> tuple[Dataset, int]:
    """Leave out comments equal to validation comments, except those that were in training before."""
    digests = text_digests(training.texts)
    leaked = np.isin(digests, text_digests(data.validation.texts)) & ~np.isin(
        digests, text_digests(data.training.texts)
    )
    return (training.select(np.flatnonzero(~leaked)) if leaked.any() else training), int(leaked.sum())
