"""Report: the numbers of an evaluation, and their JSON. Knows neither model nor file names."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.data.dataset import POSITIVE_FROM, Dataset
from civility.errors import UserError
from civility.metrics.ranking import average_precision, roc_auc

SCHEMA = 1
METRICS = {"roc_auc": roc_auc, "average_precision": average_precision}


@dataclass(frozen=True)
class LabelNumbers:
    """What one label's scores are worth. Counts are of comments; metrics are in [0, 1], NaN if undefined."""

    num_positive: int
    num_negative: int
    num_unknown: int
    roc_auc: float
    average_precision: float


@dataclass(frozen=True)
class Report:
    """Every number of an evaluation.

    Parameters
    ----------
    files : as they were given
    digest : of the dataset
    num_comments : N
    labels : numbers by label, in the order of the label axis
    undefined : the reason by ``label.metric`` for each metric that is NaN
    """

    files: tuple[str, ...]
    digest: str
    num_comments: int
    labels: dict[str, LabelNumbers]
    undefined: dict[str, str]

    @classmethod
    def measure(cls, dataset: Dataset, scores: npt.NDArray[np.float32], files: Sequence[str]) -> "Report":
        """Measure scores against targets.

        Parameters
        ----------
        dataset : N comments on L labels
        scores : (N, L) in the dataset's order of comments and labels
        files : where the comments came from

        Raises
        ------
        ValueError : the shapes differ, or a score is NaN
        """
        if scores.shape != dataset.targets.shape:
            raise ValueError(f"scores have shape {scores.shape}, targets {dataset.targets.shape}")
        labels: dict[str, LabelNumbers] = {}
        undefined: dict[str, str] = {}
        for column, label in enumerate(dataset.labels):
            numbers = _measure_label(dataset.targets[:, column], scores[:, column])
            labels[label] = numbers
            for metric in METRICS:
                if math.isnan(getattr(numbers, metric)):
                    undefined[f"{label}.{metric}"] = _why_undefined(numbers)
        return cls(tuple(files), dataset.digest, len(dataset), labels, undefined)

    def macro(self, metric: str) -> float:
        """Return the mean of a metric over the labels where it is defined; NaN if it is nowhere."""
        values = [getattr(numbers, metric) for numbers in self.labels.values()]
        defined = [value for value in values if not math.isnan(value)]
        return sum(defined) / len(defined) if defined else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return the report as the JSON document has it: what is undefined is None, its reason beside it."""
        return {
            "schema": SCHEMA,
            "data": {"files": list(self.files), "digest": self.digest, "num_comments": self.num_comments},
            "labels": {label: _without_nan(asdict(numbers)) for label, numbers in self.labels.items()},
            "macro": _without_nan({metric: self.macro(metric) for metric in METRICS}),
            "undefined": dict(self.undefined),
        }

    def to_json(self) -> str:
        """Return the canonical form: JSON with a final line break."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read what `to_json` wrote.

        Raises
        ------
        UserError : no report, or one of another schema
        """
        try:
            content = json.loads(text)
            if content["schema"] != SCHEMA:
                raise UserError(f"report of schema {content['schema']}, expected {SCHEMA}", "evaluate again")
            labels = {label: _numbers_from_json(numbers) for label, numbers in content["labels"].items()}
            data = content["data"]
            return cls(tuple(data["files"]), data["digest"], data["num_comments"], labels, content["undefined"])
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"no report of civility: {error}", "evaluate again") from error


def _numbers_from_json(numbers: dict[str, Any]) -> LabelNumbers:
    values: dict[str, Any] = {name: math.nan if value is None else value for name, value in numbers.items()}
    return LabelNumbers(**values)


def _measure_label(targets: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> LabelNumbers:
    known = ~np.isnan(targets)
    num_positive = int((targets[known] >= POSITIVE_FROM).sum())
    return LabelNumbers(
        num_positive=num_positive,
        num_negative=int(known.sum()) - num_positive,
        num_unknown=int((~known).sum()),
        roc_auc=roc_auc(targets, scores),
        average_precision=average_precision(targets, scores),
    )


def _why_undefined(numbers: LabelNumbers) -> str:
    num_known = numbers.num_positive + numbers.num_negative
    if not num_known:
        return f"no known target among {numbers.num_unknown:,}"
    missing = "positive" if not numbers.num_positive else "negative"
    return f"no {missing} comment among {num_known:,}"


def _without_nan(numbers: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in numbers.items()}
