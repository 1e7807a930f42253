"""Scoring and measuring the validation comments after an epoch, on one process or several; the best epoch so far."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch

from civility.arrays import Logits, Rows, Targets
from civility.engine.devices import give_back_memory, is_out_of_memory
from civility.engine.loss import Loss
from civility.engine.progress import Validation
from civility.errors import UserError
from civility.metrics.ranking import average_precision, macro_mean, roc_auc
from civility.models.batches import Batch, batches_by_budget, gather
from civility.scoring.tokens import Tokens

MetricName = Literal["macro_roc_auc", "macro_average_precision", "loss"]


class StopRequested(Exception):
    """A signal asked to stop: raised on all processes together."""


def score_everywhere(
    accelerator: Any,
    forward: Callable[[Batch], torch.Tensor],
    tokens: Tokens,
    num_labels: int,
    tokens_per_batch: int,
    on_scored: Callable[[int], None] = lambda num_comments: None,
    wants_stop: Callable[[], bool] = lambda: False,
) -> Logits:
    """Return the logits of all comments on every process, (N, L) float32.

    Computed in float32 whatever the precision of training, as in the saved classifier: bf16 logits have so few digits
    that many comments tie, and rounding would choose the best epoch.

    Each process fills in the rows of its own comments, and the sum over processes is returned: no comment is repeated
    or dropped, whatever N and the number of processes (huggingface/accelerate#226 and #1674 show how the usual
    gathering fails).

    Parameters
    ----------
    forward : takes a batch on its device to its logits, (B, L)
    tokens : of all N comments, on every process
    tokens_per_batch : padded tokens of a batch
    on_scored : called after each batch with the number of comments scored on all processes
    wants_stop : whether this process was asked to stop; it then scores no more, but still meets the others

    Raises
    ------
    StopRequested : on every process, if one of them was asked to stop
    """
    logits = torch.zeros((len(tokens), num_labels), dtype=torch.float32, device=accelerator.device)
    batches = batches_by_budget(tokens.lengths, tokens_per_batch)
    with torch.inference_mode():
        for rows in batches[accelerator.process_index :: accelerator.num_processes]:
            _score_rows(forward, tokens, rows, logits)
            on_scored(len(rows) * accelerator.num_processes)  # the others have scored about as many
            if wants_stop():
                break
    stops = accelerator.reduce(torch.tensor(float(wants_stop()), device=accelerator.device), reduction="sum")
    if stops.item():
        raise StopRequested
    return np.asarray(accelerator.reduce(logits, reduction="sum").cpu().numpy())


def _score_rows(forward: Callable[[Batch], torch.Tensor], tokens: Tokens, rows: Rows, logits: torch.Tensor) -> None:
    """Fill in the logits of some rows; if memory runs out, in two halves."""
    try:
        logits[torch.from_numpy(rows).to(logits.device)] = forward(gather(tokens, rows).to(logits.device)).float()
        return
    except RuntimeError as error:
        if not is_out_of_memory(error) or len(rows) == 1:
            raise
    # Outside the handler, which keeps the tensors of the failed pass alive.
    give_back_memory()
    for half in np.array_split(rows, 2):
        _score_rows(forward, tokens, half, logits)


def measure_validation(logits: Logits, targets: Targets, loss: Loss, labels: tuple[str, ...]) -> Validation:
    """Return unsmoothed loss, ROC AUC and average precision of logits (N, L); UserError if one is not finite."""
    num_broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if num_broken:
        found = f"the scores of {num_broken:,} of {len(logits):,} validation comments are not finite"
        remedy = "lower training.learning_rate, or set training.precision to fp32"
        raise UserError("engine.not-finite", found, remedy=remedy)
    device = loss.label_weights.device
    total = loss.unsmoothed().sum(torch.from_numpy(logits).to(device), torch.from_numpy(targets).to(device)).item()
    num_known = int((~np.isnan(targets)).sum())
    by_label = {label: roc_auc(targets[:, i], logits[:, i]) for i, label in enumerate(labels)}
    precision = [average_precision(targets[:, i], logits[:, i]) for i in range(len(labels))]
    return Validation(
        total / num_known if num_known else float("nan"), by_label, macro_mean(by_label.values()), macro_mean(precision)
    )


def score_of(validation: Validation, metric: MetricName) -> float:
    """Return the number by which epochs are compared; higher is better, so the loss is negated."""
    value: float = getattr(validation, metric)
    return -value if metric == "loss" else value


@dataclass
class EarlyStopping:
    """The best epoch by a score, 0 before the first; training stops ``patience`` epochs after it.

    A new best score must be ``min_gain`` above the old one; smaller gains add up.
    """

    patience: int
    best_score: float = -math.inf
    best_epoch: int = 0
    last_epoch: int = 0
    min_gain: float = 0.0

    def see(self, epoch: int, score: float) -> bool:
        """Take the score of an epoch, not NaN; return whether it is the best so far."""
        self.last_epoch = epoch
        if score > self.best_score + self.min_gain:
            self.best_score, self.best_epoch = score, epoch
            return True
        return False

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, ready for JSON; the score is None before the first epoch."""
        return {**asdict(self), "best_score": self.best_score if self.best_epoch else None}

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.last_epoch - self.best_epoch >= self.patience
