"""A trial of the first step, so that what would end the run there is reported before it starts; leaves no trace.

The longest comments go forwards and backwards in the run's precision, and very short texts are scored next to them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from civility.arrays import Rows
from civility.engine.devices import MixedPrecision, float32_products, give_back_memory, is_out_of_memory
from civility.engine.loop import Trainer
from civility.models.batches import Batch, gather
from civility.plain_text import shortened
from civility.scoring.tokens import Tokens

_MOST_COMMENTS = 4
_ROUNDING = 1e-4  # relative to the largest logit: smaller differences between texts are rounding


@dataclass(frozen=True)
class Trial:
    """The result of a trial step."""

    num_comments: int  # in the micro-batch
    num_tokens: int  # of the longest of them
    trouble: str = ""  # what went wrong, such as "the loss is nan"; empty if nothing did
    short_of_memory: bool = False  # whether the only trouble is that memory ran out
    remedy_precision: str = ""  # a precision without the trouble; empty if there is none, or no trouble


@dataclass(frozen=True)
class PaddingTrial:
    """The effect of padding on logits: how much they differ for a text alone and next to a longer one.

    Differences are the largest over the labels, relative to the range of the logits of these texts.
    """

    difference: float = 0.0  # of a comment of median length
    short_difference: float = 0.0  # of the shortest comment and an empty text, whichever is larger
    trouble: str = ""  # how the model fails on short texts; empty if it does not


def try_step(trainer: Trainer) -> Trial:
    """Run the longest comments forwards and backwards as the run's first step would, without changing anything."""
    rows = _longest(trainer)
    if not len(rows):
        return Trial(0, 0)
    tried = len(rows), int(trainer.data.tokens.lengths[rows].max())
    with _untouched(trainer):
        try:
            trouble = _trouble_of(trainer, rows)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return Trial(*tried, "the memory is too small for them at once", short_of_memory=True)
        remedy = "fp32" if trouble and trainer.precision.name != "fp32" and _works_in_fp32(trainer, rows) else ""
    return Trial(*tried, trouble, remedy_precision=remedy)


def try_padding(trainer: Trainer, empty: Tokens) -> PaddingTrial:
    """Score short texts alone and next to the longest comment, without changing anything.

    The texts are a comment of median length, the shortest comment, and an ``empty`` text.
    """
    tokens, device = trainer.data.tokens, trainer.accelerator.device
    order = tokens.lengths.argsort(kind="stable")
    short = [gather(tokens, order[[place]]) for place in (len(order) // 2, 0)] + [gather(empty, np.array([0]))]
    batch = _joined([gather(tokens, order[[-1]]), *short])
    with _untouched(trainer), torch.no_grad(), float32_products("ieee"):
        trainer.model.eval()
        try:
            together = trainer.forward(batch.to(device)).float()
            alone = torch.cat([trainer.forward(one.to(device)).float() for one in short])
        except Exception as error:  # a model may raise anything
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                return PaddingTrial()
            return PaddingTrial(trouble=_in_words(error))
        apart = (together.amax(dim=0) - together.amin(dim=0)).clamp(
            min=max(_ROUNDING * float(together.abs().max()), _ROUNDING**2)
        )
        median, *shorter = ((together[1:] - alone).abs() / apart).amax(dim=1).tolist()
        return PaddingTrial(median, max(shorter))


def _longest(trainer: Trainer) -> Rows:
    """Return a few of the longest comments that have a known target."""
    known = np.flatnonzero(~np.isnan(trainer.data.targets).all(axis=1))
    order = np.argsort(-trainer.data.tokens.lengths[known], kind="stable")
    return known[order[: min(_MOST_COMMENTS, trainer.shape.batch_size)]]


def _joined(batches: list[Batch]) -> Batch:
    lengths = tuple(length for one in batches for length in one.lengths)
    return Batch(torch.cat([one.ids for one in batches]), lengths, batches[0].pad_id)


def _trouble_of(trainer: Trainer, rows: Rows) -> str:
    """Return what goes wrong with these comments; empty if nothing does. Raises torch's error if memory runs out."""
    trainer.model.train()
    try:
        with trainer.precision.training():
            loss = trainer.try_out(rows)
    except Exception as error:  # a model may raise anything
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise
        return _in_words(error)
    if not np.isfinite(loss):
        return f"the loss is {loss}"
    gradients = [parameter.grad for parameter in trainer.model.parameters() if parameter.grad is not None]
    # In fp16 a gradient may overflow: the scaler halves its scale, and training continues.
    if trainer.precision.scaler is None and not all(bool(gradient.isfinite().all()) for gradient in gradients):
        return "a gradient is not finite"
    return ""


def _works_in_fp32(trainer: Trainer, rows: Rows) -> bool:
    chosen = trainer.precision
    trainer.precision = MixedPrecision.of("fp32", chosen.device)
    trainer.model.zero_grad(set_to_none=True)
    try:
        return not _trouble_of(trainer, rows)
    except RuntimeError:  # not enough memory for float32
        return False
    finally:
        trainer.precision = chosen


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {shortened(str(error), 200)}"


@contextmanager
def _untouched(trainer: Trainer) -> Iterator[None]:
    """Restore buffers, gradients, mode and random numbers after the block; weights do not change in it."""
    model, device = trainer.model, trainer.accelerator.device
    was_training = model.training
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]  # such as a norm's running mean
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        for buffer, before in buffers:
            buffer.copy_(before)
        model.train(was_training)
        model.zero_grad(set_to_none=True)
        give_back_memory()
