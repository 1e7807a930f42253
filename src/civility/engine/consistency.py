"""The loss of a micro-batch that goes through the model more than once: R-Drop, and several masks before the head.

R-Drop (Wu et al. 2021, "R-Drop: Regularized Dropout for Neural Networks", equations 2 to 4) lets a comment pass twice,
under different dropout, and asks the two to agree. Legend: B comments, L labels, K masks.
"""

from collections.abc import Sequence

import torch

from civility.engine.loss import Loss


def symmetric_divergence(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return ``(KL(p || q) + KL(q || p)) / 2`` of the Bernoulli variables that two logits stand for, elementwise.

    With ``p = sigmoid(a)`` and ``q = sigmoid(b)`` the sum is ``(p - q) (a - b)``: no logarithm of what may be zero.
    On the side where both are nearly 1 the difference is taken of ``1 - q`` and ``1 - p``, which keep their digits.

    Parameters
    ----------
    first, second : logits of one shape, any float dtype; computed in float32
    """
    first, second = first.float(), second.float()
    sign = torch.where(first + second > 0, -1.0, 1.0)
    difference = sign * (torch.sigmoid(sign * first) - torch.sigmoid(sign * second))
    return difference * (first - second) / 2


def loss_of_passes(
    loss: Loss, passes: Sequence[torch.Tensor], targets: torch.Tensor, consistency: float
) -> torch.Tensor:
    """Return the loss of a micro-batch summed over known elements: a float32 scalar.

    The mean of the losses of all passes and masks, so that the denominator stays that of one pass; and ``consistency``
    times the divergence of two passes, summed over the same elements. The paper adds up the two losses instead of
    taking their mean: its weight alpha is twice this one.

    Parameters
    ----------
    loss : of one pass
    passes : one or two times logits, (K * B, L): the comments under each mask, one mask after the other
    targets : (B, L); NaN takes no part
    consistency : weight of the divergence; of no meaning to a single pass
    """
    num_masks = len(passes[0]) // len(targets)
    if num_masks > 1:
        targets = targets.repeat(num_masks, 1)
    total = loss.sum(passes[0], targets)
    for logits in passes[1:]:
        total = total + loss.sum(logits, targets)
    parts = num_masks * len(passes)
    if parts > 1:
        total = total / parts
    if len(passes) == 2:
        known = ~torch.isnan(targets)
        divergence = torch.where(known, symmetric_divergence(*passes), 0.0).sum() / num_masks
        total = total + consistency * divergence
    return total
