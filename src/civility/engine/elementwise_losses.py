"""What one element of the loss is: a logit against its target, before any weighing of labels.

Each is linear in the target, so that a soft one, the share of annotators who say yes, gives the mean of the losses
that their answers would have given. Everything is computed from ``log sigmoid``, so that no logit is too large.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional


class Elements(Protocol):
    """The loss of elements."""

    def of(self, logits: torch.Tensor, targets: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of each element, (B, L).

        Parameters
        ----------
        logits : (B, L) float32
        targets : (B, L) in [0, 1], all known
        positive_weights : (L,) multiplies the positive part
        """
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """Binary cross-entropy: ``-t log p - (1 - t) log(1 - p)`` with ``p = sigmoid(logit)``."""

    def of(self, logits: torch.Tensor, targets: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of each element, (B, L)."""
        return functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none", pos_weight=positive_weights
        )


@dataclass(frozen=True)
class Focal:
    """Focal loss: ``-t a (1 - p)^g log p - (1 - t) (1 - a) p^g log(1 - p)``.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", equations 4 and 5. For targets of 0 and 1 it is
    torchvision's ``sigmoid_focal_loss``. With ``gamma = 0`` and no ``alpha`` it is the cross-entropy.

    Parameters
    ----------
    gamma : how far elements that are right already are played down; at least 0
    alpha : weight of positives, ``1 - alpha`` of negatives, in [0, 1]; None for 1 and 1
    """

    gamma: float
    alpha: float | None = None

    def of(self, logits: torch.Tensor, targets: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of each element, (B, L)."""
        log_p, log_q = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        # A power of what may be 0 has no gradient for every exponent; the exponential of a logarithm has.
        positive = -torch.exp(self.gamma * log_q) * log_p * positive_weights
        negative = -torch.exp(self.gamma * log_p) * log_q
        if self.alpha is not None:
            positive, negative = self.alpha * positive, (1 - self.alpha) * negative
        return targets * positive + (1 - targets) * negative


@dataclass(frozen=True)
class Asymmetric:
    """Asymmetric loss: ``-t (1 - p)^g+ log p - (1 - t) m^g- log(1 - m)`` with ``m = max(p - margin, 0)``.

    Ridnik et al. 2021, "Asymmetric Loss For Multi-Label Classification", section 2: negatives are played down
    more than positives, and those below the margin count nothing. The gradient is that of the whole formula: the
    authors' code can leave out that of the focusing factors, which is another loss.

    Parameters
    ----------
    gamma_positive, gamma_negative : focusing of either side; at least 0
    margin : probability below which a negative counts nothing, in [0, 1)
    """

    gamma_positive: float
    gamma_negative: float
    margin: float

    def of(self, logits: torch.Tensor, targets: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of each element, (B, L)."""
        log_p, log_q = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        positive = -torch.exp(self.gamma_positive * log_q) * log_p * positive_weights
        return targets * positive + (1 - targets) * self._negative(logits, log_p, log_q)

    def _negative(self, logits: torch.Tensor, log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
        if not self.margin:
            return -torch.exp(self.gamma_negative * log_p) * log_q
        shifted = torch.sigmoid(logits) - self.margin
        counts = shifted > 0
        # What does not count is replaced before the power: 0 times an infinite gradient would be NaN.
        shifted = torch.where(counts, shifted, 0.5)
        # 1 - p keeps its digits as the sigmoid of the negative; 1 - m is never below the margin.
        rest = torch.where(counts, torch.sigmoid(-logits) + self.margin, 0.5)
        return torch.where(counts, -torch.pow(shifted, self.gamma_negative) * torch.log(rest), 0.0)
