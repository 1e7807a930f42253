"""Lengths of comments in characters and tokens, and what truncation costs each label."""

from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Float32s, Ints, Targets
from civility.data.dataset import Dataset
from civility.documents.audit_result import NotMeasured, TokenLengths, TruncatedShare
from civility.errors import UserError
from civility.models.tokenizer import backend_for
from civility.run import classifier_folder
from civility.scoring.tokens import token_lengths

QUANTILES = {"minimum": 0.0, "median": 0.5, "p90": 0.9, "p99": 0.99, "maximum": 1.0}


def length_quantiles(lengths: npt.NDArray[Any]) -> dict[str, int]:
    """Return minimum, median, 90 %, 99 % and maximum, each the length of a comment; empty for no comments."""
    if not len(lengths):
        return {}
    values = np.quantile(lengths, list(QUANTILES.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(QUANTILES, values, strict=True)}


def truncated_share_by_label(targets: Targets, is_truncated: npt.NDArray[np.bool_]) -> list[TruncatedShare]:
    """Return for each label how many of its positive comments are truncated.

    Parameters
    ----------
    targets : (N, L); NaN is not positive
    is_truncated : (N,) whether a comment is longer than the maximum length
    """
    positive = targets >= POSITIVE_FROM
    return [TruncatedShare.of(int(column.sum()), int((column & is_truncated).sum())) for column in positive.T]


def sample_to_measure(targets: Targets, size: int, size_of_label: int, seed: int) -> Ints:
    """Return rows to measure in a large dataset: a random sample, and one of each label's positives.

    All rows are shuffled once. The first ``size`` are taken and, for each label, the first ``size_of_label`` of its
    positives; each is a uniform sample.

    Parameters
    ----------
    targets : (N, L)
    size, size_of_label : most rows in the sample, and of each label
    seed : of the order

    Returns
    -------
    rows in the shuffled order, so that ``rows[:size]`` is the sample of all comments
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    if len(order) <= size:
        return order
    wanted = np.zeros(len(order), dtype=np.bool_)
    wanted[:size] = True
    for column in targets.T:
        wanted[np.flatnonzero(column[order] >= POSITIVE_FROM)[:size_of_label]] = True
    return order[wanted]


def first_positives(targets: Targets, size_of_label: int) -> Float32s:
    """Return targets in which each label keeps its first ``size_of_label`` positives; all else is unknown.

    For rows from `sample_to_measure` these are uniform samples of each label's positives: positives drawn because of
    another label come after them.
    """
    kept = np.full_like(targets, np.nan)
    for column in range(targets.shape[1]):
        rows = np.flatnonzero(targets[:, column] >= POSITIVE_FROM)[:size_of_label]
        kept[rows, column] = targets[rows, column]
    return kept


COMMENTS_MEASURED = 50_000
POSITIVES_MEASURED = 5_000
"""At most this many comments, and positives of each label, are tokenised: shares are then exact to half a percent."""


def load_tokenizer_or_reason(model: str, target: str) -> tuple[Any, str | NotMeasured]:
    """Return a tokenizer and its name, or None and why there is none; only a model that the user named must exist.

    Parameters
    ----------
    model : as the user named it, or empty
    target : the classifier whose tokenizer to use otherwise; empty: that of the starter model

    Raises
    ------
    UserError : the named model cannot be loaded
    """
    try:
        from civility.models.model_source import STARTER_MODEL
        from civility.models.tokenizer import load_tokenizer

        place = model or (classifier_folder(target) if target else STARTER_MODEL)
        return load_tokenizer(place), model or target or STARTER_MODEL
    except ModuleNotFoundError as error:
        return None, NotMeasured(code="not_installed", text=error.name or "")
    except UserError as error:
        if model:
            raise
        return None, NotMeasured(code="text", text=error.message)


def measure_tokens(dataset: Dataset, tokenizer: Any, name: str, max_length: int, seed: int) -> TokenLengths:
    """Measure the comments, or a sample of them with enough positives of each label.

    Parameters
    ----------
    tokenizer : a fast tokenizer of transformers
    name : of the tokenizer
    max_length : tokens beyond which a comment is truncated
    seed : of the sample
    """
    rows = sample_to_measure(dataset.targets, COMMENTS_MEASURED, POSITIVES_MEASURED, seed)
    lengths = token_lengths(backend_for(tokenizer, None), [dataset.texts[row] for row in rows])
    of_all = lengths[:COMMENTS_MEASURED]
    targets = dataset.targets[rows]
    is_sample = len(dataset) > COMMENTS_MEASURED
    if is_sample:
        targets = first_positives(targets, POSITIVES_MEASURED)
    by_label = truncated_share_by_label(targets, lengths > max_length)
    return TokenLengths(
        tokenizer=name,
        max_length=max_length,
        is_sample=is_sample,
        quantiles=length_quantiles(of_all),
        truncated=TruncatedShare.of(len(of_all), int((of_all > max_length).sum())),
        truncated_by_label=dict(zip(dataset.labels, by_label, strict=True)),
    )
