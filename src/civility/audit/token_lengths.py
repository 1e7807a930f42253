"""Lengths in tokens, where there is a tokenizer to measure them with; of a sample where comments are many."""

from dataclasses import dataclass
from typing import Any

from civility.audit.findings import Finding
from civility.audit.lengths import (
    CutShare,
    first_positives,
    length_quantiles,
    sample_to_measure,
    truncated_share_by_label,
)
from civility.data.dataset import Dataset
from civility.errors import UserError
from civility.models.tokenizer import backend_for
from civility.run import classifier_folder
from civility.scoring.tokens import token_lengths

COMMENTS_MEASURED = 50_000
POSITIVES_MEASURED = 5_000
"""At most so many comments, and positives of each label, are tokenised: a share is then right to half a percent."""


@dataclass(frozen=True)
class TokenLengths:
    """Lengths in tokens, special ones included.

    Parameters
    ----------
    tokenizer : as it was named
    max_length : tokens from where on a comment is cut
    is_sample : whether the comments measured are a random sample
    quantiles : by name, of the comments measured
    cut : of all comments measured
    cut_by_label : of the positives of each label that were measured
    """

    tokenizer: str
    max_length: int
    is_sample: bool
    quantiles: dict[str, int]
    cut: CutShare
    cut_by_label: dict[str, CutShare]


def load_tokenizer_or_reason(model: str, target: str) -> tuple[Any, str]:
    """Return a tokenizer and its name, or None and why there is none: only a model that was named has to be there.

    Parameters
    ----------
    model : as the user named it, or empty
    target : the classifier whose tokenizer to take then; empty: the starter model's

    Raises
    ------
    UserError : the model that was named cannot be had
    """
    try:
        from civility.models.model_source import STARTER_MODEL
        from civility.models.tokenizer import load_tokenizer

        place = model or (classifier_folder(target) if target else STARTER_MODEL)
        return load_tokenizer(place), model or target or STARTER_MODEL
    except ModuleNotFoundError as error:
        return None, f"{error.name} is not installed (pip install 'civility[train]')"
    except UserError as error:
        if model:
            raise
        return None, error.message


def measure_tokens(dataset: Dataset, tokenizer: Any, name: str, max_length: int, seed: int) -> TokenLengths:
    """Measure the comments, or a sample of them with enough positives of each label.

    Parameters
    ----------
    tokenizer : a fast tokenizer of transformers
    name : of the tokenizer
    seed : of the sample
    """
    rows = sample_to_measure(dataset.targets, COMMENTS_MEASURED, POSITIVES_MEASURED, seed)
    lengths = token_lengths(backend_for(tokenizer, None), [dataset.texts[row] for row in rows])
    of_all = lengths[:COMMENTS_MEASURED]
    targets = dataset.targets[rows]
    is_sample = len(dataset) > COMMENTS_MEASURED
    if is_sample:
        targets = first_positives(targets, POSITIVES_MEASURED)
    cut_by_label = truncated_share_by_label(targets, lengths > max_length)
    return TokenLengths(
        tokenizer=name,
        max_length=max_length,
        is_sample=is_sample,
        quantiles=length_quantiles(of_all),
        cut=CutShare(len(of_all), int((of_all > max_length).sum())),
        cut_by_label=dict(zip(dataset.labels, cut_by_label, strict=True)),
    )


def on_tokens(tokens: TokenLengths) -> list[Finding]:
    """Tell of comments that are cut, and of what that costs each label."""
    if not tokens.cut.num_cut:
        return []
    shares = [f"{label} {cut.share:.1%}" for label, cut in tokens.cut_by_label.items() if cut.num_cut]
    what = "a random sample of the comments" if tokens.is_sample else ""
    of_labels = f"of the positives: {', '.join(shares)}" if shares else ""
    details = "; ".join(part for part in (what, of_labels) if part)
    return [Finding("truncated", tokens.cut.num_cut, tokens.cut.num_measured, details=details)]
