"""Scoring and measuring the validation comments after an epoch, on one process or several."""

from collections.abc import Callable
from typing import Any

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
    accelerator : of accelerate
    forward : takes a batch on its device to its logits, (B, L)
    tokens : of all N comments, on every process
    num_labels : L
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
    """Return loss, ROC AUC and average precision of validation logits.

    Parameters
    ----------
    logits, targets : (N, L); NaN targets are unknown
    loss : the training loss, taken without its smoothing
    labels : (L,)

    Raises
    ------
    UserError : a logit is not finite
    """
    num_broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if num_broken:
        raise UserError(
            "engine.not-finite",
            f"the scores of {num_broken:,} of {len(logits):,} validation comments are not finite",
            remedy="lower training.learning_rate, or set training.precision to fp32",
        )
    device = loss.label_weights.device
    total = loss.unsmoothed().sum(torch.from_numpy(logits).to(device), torch.from_numpy(targets).to(device)).item()
    num_known = int((~np.isnan(targets)).sum())
    by_label = {label: roc_auc(targets[:, i], logits[:, i]) for i, label in enumerate(labels)}
    precision = [average_precision(targets[:, i], logits[:, i]) for i in range(len(labels))]
    return Validation(
        total / num_known if num_known else float("nan"), by_label, macro_mean(by_label.values()), macro_mean(precision)
    )
