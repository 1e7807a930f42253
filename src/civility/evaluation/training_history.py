"""How a classifier was trained, from the lines of its log: the loss of steps, thinned, and the epochs."""

from collections.abc import Iterable, Mapping
from typing import Any

from civility.documents.report import EpochLine, TrainingCurves
from civility.errors import UserError

_MOST_STEPS = 400


def training_curves(lines: Iterable[Mapping[str, Any]]) -> TrainingCurves | None:
    """Return the curves of a run; None if it has logged no epoch, or its log cannot be read.

    Parameters
    ----------
    lines : of metrics.jsonl
    """
    try:
        return _curves(lines)
    except (UserError, ValueError, KeyError, TypeError):  # of another version, or damaged: the report does without
        return None


def _curves(lines: Iterable[Mapping[str, Any]]) -> TrainingCurves | None:
    steps, epochs, best = [], [], 0
    for line in lines:
        if line["kind"] == "step":
            steps.append(line)
        elif line["kind"] == "epoch":
            epochs.append(_epoch(line))
            best = line["epoch"] if line["best"] else best
    if not epochs:
        return None
    every = max(1, -(-len(steps) // _MOST_STEPS))
    windows = [steps[start : start + every] for start in range(0, len(steps), every)]
    return TrainingCurves(
        steps=tuple(window[-1]["step"] for window in windows),
        losses=tuple(_mean([line["loss"] for line in window]) for window in windows),
        learning_rates=tuple(window[-1]["learning_rate"] for window in windows),
        epochs=tuple(epochs),
        best_epoch=best,
    )


def _epoch(line: Mapping[str, Any]) -> EpochLine:
    validation = line["validation"]
    return EpochLine(
        epoch=line["epoch"],
        step=line["step"],
        training_loss=line["training_loss"],
        validation_loss=validation["loss"],
        macro_roc_auc=validation["macro_roc_auc"],
        roc_auc=validation["roc_auc"],
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else None
