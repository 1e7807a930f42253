"""The loss of a micro-batch that passes through the model once, or twice for R-Drop.

R-Drop (Wu et al. 2021, "R-Drop: Regularized Dropout for Neural Networks", equations 2 to 4) lets a comment pass twice,
under different dropout, and asks the two to agree. Legend: B comments, L labels.
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

    The mean of the losses of the passes, so that the denominator stays that of one pass; and ``consistency`` times the
    divergence of two passes, summed over the same elements. The paper adds up the two losses instead of taking their
    mean: its weight alpha is twice this one.

    Parameters
    ----------
    loss : of one pass
    passes : one or two times logits, (B, L)
    targets : (B, L); NaN takes no part
    consistency : weight of the divergence; of no meaning to a single pass
    """
    total = loss.sum(passes[0], targets)
    if len(passes) == 1:
        return total
    first, second = passes
    total = (total + loss.sum(second, targets)) / 2  # before the divergence: this order decides how gradients round
    divergence = torch.where(~torch.isnan(targets), symmetric_divergence(first, second), 0.0).sum()
    return total + consistency * divergence
