"""How many comments have each label, script and language, how long they are, and what truncation costs each label."""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Float32s, Ints, Targets
from civility.data.dataset import Dataset, count_targets
from civility.documents.audit_result import LabelCounts, NotMeasured, TokenLengths, TruncatedShare
from civility.errors import UserError
from civility.models.tokenizer import backend_for
from civility.run import classifier_folder
from civility.scoring.tokens import token_lengths


def most_frequent_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts in falling order, equal ones by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def label_counts(targets: Targets) -> list[LabelCounts]:
    """Return the counts of each label of targets (N, L)."""
    num_positive, num_known = count_targets(targets)
    num_soft = ((targets > 0) & (targets < 1)).sum(axis=0)
    num = len(targets)
    return [
        LabelCounts(num_positive=positive, num_negative=known - positive, num_unknown=num - known, num_soft=soft)
        for positive, known, soft in np.stack([num_positive, num_known, num_soft], axis=1).tolist()
    ]


def co_occurrence(targets: Targets) -> Ints:
    """Return (L, L) counts of comments that have both labels; on the diagonal, those that have the one."""
    positive = (targets >= POSITIVE_FROM).astype(np.float32)
    # float32 counts are exact up to 2**24: sum blocks of fewer rows.
    total = np.zeros((targets.shape[1], targets.shape[1]), dtype=np.int64)
    for start in range(0, len(positive), 2**20):
        block = positive[start : start + 2**20]
        total += (block.T @ block).astype(np.int64)
    return total


NO_SCRIPT = "none"  # of a text without letters
_SCRIPT_CHARACTERS = 2_000
_ASCII_LETTER = re.compile("[A-Za-z]")
# The first word of a name is its script, with these exceptions.
_OTHER_NAMES = {"CJK": "HAN", "FULLWIDTH": "LATIN", "MATHEMATICAL": "LATIN"}
_OTHER_NAMES |= dict.fromkeys(("MODIFIER", "FEMININE", "MASCULINE", "MICRO"), "")


def script_of(text: str) -> str:
    """Return the script of most letters of a text in its first 2,000 characters, as ``latin``; ``none`` without any."""
    if text.isascii():
        return "latin" if _ASCII_LETTER.search(text) else NO_SCRIPT
    scripts: Counter[str] = Counter()
    for character, times in Counter(text[:_SCRIPT_CHARACTERS]).items():
        script = _script_of_character(character)
        if script:
            scripts[script] += times
    return next(iter(most_frequent_first(scripts)), NO_SCRIPT)


def script_counts(texts: Iterable[str]) -> dict[str, int]:
    """Return how many texts are written in each script, the most frequent first."""
    return most_frequent_first(Counter(map(script_of, texts)))


@functools.lru_cache(maxsize=100_000)
def _script_of_character(character: str) -> str:
    """Return the script of a letter in lower case; empty for anything else."""
    if not character.isalpha():
        return ""
    first = unicodedata.name(character, "").split(" ")[0].split("-")[0]
    return _OTHER_NAMES.get(first, first).lower()


LEAST_SHARE = 0.005
OTHER = "other"
_LANGUAGE_CHARACTERS = 1_000


def language_counts(texts: Sequence[str]) -> dict[str, int]:
    """Return how many texts are in each language, by ISO 639 code, the most frequent first, then ``other``.

    A ModuleNotFoundError if py3langid is not installed.
    """
    from py3langid import classify

    counts = Counter(classify(text[:_LANGUAGE_CHARACTERS])[0] for text in texts)
    frequent = {code: number for code, number in counts.items() if number >= LEAST_SHARE * len(texts)}
    ordered = most_frequent_first(frequent)
    rest = len(texts) - sum(frequent.values())
    return {**ordered, OTHER: rest} if rest else ordered


QUANTILES = {"minimum": 0.0, "median": 0.5, "p90": 0.9, "p99": 0.99, "maximum": 1.0}


def length_quantiles(lengths: npt.NDArray[Any]) -> dict[str, int]:
    """Return minimum, median, 90 %, 99 % and maximum, each the length of a comment; empty for no comments."""
    if not len(lengths):
        return {}
    values = np.quantile(lengths, list(QUANTILES.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(QUANTILES, values, strict=True)}


def truncated_share_by_label(targets: Targets, is_truncated: npt.NDArray[np.bool_]) -> list[TruncatedShare]:
    """Return for each label how many of its positive comments are truncated: longer than the maximum length, (N,)."""
    positive = targets >= POSITIVE_FROM
    return [TruncatedShare.of(int(column.sum()), int((column & is_truncated).sum())) for column in positive.T]


def sample_to_measure(targets: Targets, size: int, size_of_label: int, seed: int) -> Ints:
    """Return rows to measure in a large dataset: a random sample, and one of each label's positives.

    All rows are shuffled once. The first ``size`` are taken and, for each label, the first ``size_of_label`` of its
    positives; each is a uniform sample.

    They are in the shuffled order, so that ``rows[:size]`` is the sample of all comments.
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


# At most this many comments, and positives of each label, are tokenised: shares are then exact to half a percent.
COMMENTS_MEASURED = 50_000
POSITIVES_MEASURED = 5_000


def load_tokenizer_or_reason(model: str, target: str) -> tuple[Any, str | NotMeasured]:
    """Return a tokenizer and its name, or None and why there is none.

    It is that of the model that the user named, which must exist, else that of a classifier, else of the starter model.
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

    The tokenizer is a fast one of transformers; comments of more than ``max_length`` tokens are truncated.
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
