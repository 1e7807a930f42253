"""The loss of logits against targets, weighted by label: cross-entropy, focal or asymmetric. Ignores unknown targets.

All losses are *sums* over known elements. The loop divides by the number of known targets in the whole optimizer step,
so gradient accumulation and several processes give the result of one large batch.

Axes: B comments of a micro-batch, L labels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from civility.arrays import Floats, Ints, Targets
from civility.data.dataset import count_targets

LossName = Literal["weighted_bce", "pos_weight_bce", "bce", "focal", "asymmetric"]
_FREQUENCY_FLOOR = 1e-6


ElementLoss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes logits (B, L) in float32, known targets (B, L) in [0, 1] and the weights (L,) of the positive part to losses of
elements (B, L).

Linear in the target, so that a soft target, the share of annotators who chose the label, gives the mean of the losses
of their answers. Computed from ``log sigmoid``, so that no logit is too large."""


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy: ``-t log p - (1 - t) log(1 - p)`` with ``p = sigmoid(logit)``."""
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=positive_weights)


@dataclass(frozen=True)
class Focal:
    """Focal loss: ``-t a (1 - p)^g log p - (1 - t) (1 - a) p^g log(1 - p)``.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", equations 4 and 5. For targets of 0 and 1 it equals
    torchvision's ``sigmoid_focal_loss``; with ``gamma = 0`` and no ``alpha``, the cross-entropy.
    """

    gamma: float  # focusing: how strongly elements that are already right are down-weighted; at least 0
    alpha: float | None = None  # weight of positives, ``1 - alpha`` of negatives, in [0, 1]; None for 1 and 1

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of each element."""
        log_p, log_q = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        # A power of 0 does not have a gradient for every exponent; the exponential of a logarithm has.
        positive = -torch.exp(self.gamma * log_q) * log_p * positive_weights
        negative = -torch.exp(self.gamma * log_p) * log_q
        if self.alpha is not None:
            positive, negative = self.alpha * positive, (1 - self.alpha) * negative
        return targets * positive + (1 - targets) * negative


@dataclass(frozen=True)
class Asymmetric:
    """Asymmetric loss: ``-t (1 - p)^g+ log p - (1 - t) m^g- log(1 - m)`` with ``m = max(p - margin, 0)``.

    Ridnik et al. 2021, "Asymmetric Loss For Multi-Label Classification", section 2: negatives are down-weighted more
    than positives, and those below the margin are ignored. The gradient is that of the whole formula; the authors' code
    can leave out the gradient of the focusing factors, which gives another loss.
    """

    gamma_positive: float  # focusing of positives; at least 0
    gamma_negative: float  # focusing of negatives; at least 0
    margin: float  # probability below which a negative is ignored, in [0, 1)

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
        """Return the loss of each element."""
        log_p, log_q = functional.logsigmoid(logits), functional.logsigmoid(-logits)
        positive = -torch.exp(self.gamma_positive * log_q) * log_p * positive_weights
        return targets * positive + (1 - targets) * self._negative(logits, log_p, log_q)

    def _negative(self, logits: torch.Tensor, log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
        if not self.margin:
            return -torch.exp(self.gamma_negative * log_p) * log_q
        shifted = torch.sigmoid(logits) - self.margin
        counts = shifted > 0
        # Replace ignored elements before the power: 0 times an infinite gradient would be NaN.
        shifted = torch.where(counts, shifted, 0.5)
        # 1 - p keeps its digits as the sigmoid of the negative; 1 - m is never below the margin.
        rest = torch.where(counts, torch.sigmoid(-logits) + self.margin, 0.5)
        return torch.where(counts, -torch.pow(shifted, self.gamma_negative) * torch.log(rest), 0.0)


def positive_share(targets: Targets) -> Floats:
    """Return the share of positives among each label's known targets, (L,); NaN if none is known."""
    num_positive, num_known = count_targets(targets)
    share = np.full(targets.shape[1], np.nan)
    np.divide(num_positive, num_known, out=share, where=num_known > 0)
    return share


def inverse_frequency_weights(share: Floats, power: float = 1.0) -> Floats:
    """Weight each label by the inverse of its frequency, (L,); the weights sum to the number of labels.

    ``w = (1 / (share + 1e-6)) ** power``, then normalised, with the ``share`` (L,) of positives; the power is 1 in the
    baseline recipe, and 0 gives every label the weight 1. A weight scales *all* of a label's loss: a rare label counts
    more against other labels. The balance of positives and negatives inside a label stays: see `balance_weights`.
    """
    weights = (1.0 / (share + _FREQUENCY_FLOOR)) ** power
    return np.asarray(weights / weights.sum() * len(share))


def balance_weights(share: Floats, power: float = 1.0) -> Floats:
    """Weight the positives inside each label by negatives per positive, (L,): torch's ``pos_weight``.

    With the power 1 positives and negatives have the same total weight, with 0 they stay as they are.
    """
    return np.asarray(((1.0 - share) / (share + _FREQUENCY_FLOOR)) ** power)


@dataclass(frozen=True, eq=False)
class EffectiveNumber:
    """Weights by the effective number of positives instead of their share.

    ``E(n) = (1 - beta ** n) / (1 - beta)``: with ``beta = 0`` every label weighs the same; near 1 it is n (Cui et al.
    2019, "Class-Balanced Loss Based on Effective Number of Samples", proposition 1 and section 4).
    """

    beta: float  # in [0, 1)
    num_known: Ints  # (L,) known targets of each label

    def of(self, share: Floats) -> Floats:
        """Return the effective numbers for shares of the known targets, (L,); at least that of one target."""
        num = np.maximum(np.asarray(share) * self.num_known, 1.0)
        # expm1: 1 - beta ** n loses its digits if beta is close to 1.
        return np.asarray(-np.expm1(num * np.log(self.beta)) / (1 - self.beta) if self.beta else np.ones(len(num)))

    def label_weights(self, share: Floats, power: float = 1.0) -> Floats:
        """Weight each label by ``E(positives) ** -power``, (L,); the weights sum to the number of labels."""
        weights = self.of(share) ** -power
        return np.asarray(weights / weights.sum() * len(share))

    def balance_weights(self, share: Floats, power: float = 1.0) -> Floats:
        """Weight the positives inside each label by ``(E(negatives) / E(positives)) ** power``, (L,)."""
        return np.asarray((self.of(1.0 - share) / self.of(share)) ** power)


@dataclass(frozen=True, eq=False)
class Loss:
    """The loss of elements, with a weight for each label and a weight for the positives of each label."""

    label_weights: torch.Tensor  # (L,) multiplies all of a label's elements
    positive_weights: torch.Tensor  # (L,) multiplies the positive part of a label's elements
    elements: ElementLoss = cross_entropy
    # share by which each target moves to one half (Szegedy et al. 2016, "Rethinking the Inception Architecture for
    # Computer Vision", section 7, for two classes)
    smoothing: float = 0.0

    def sum(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss summed over known elements: a float32 scalar.

        Parameters
        ----------
        logits : (B, L) any float dtype; the loss is computed in float32
        targets : (B, L) in [0, 1]; NaN is unknown, and has a gradient of exactly zero
        """
        known = ~torch.isnan(targets)
        # Replace unknown targets before the loss instead of masking them after it: 0 * NaN would be NaN.
        filled = torch.where(known, targets, torch.zeros_like(targets))
        if self.smoothing:
            filled = filled + self.smoothing * (0.5 - filled)
        elements = self.elements(logits.float(), filled, self.positive_weights)
        return (elements * self.label_weights * known).sum()

    def unsmoothed(self) -> "Loss":
        """Return the loss without smoothing, so that validation losses with and without it can be compared."""
        return replace(self, smoothing=0.0)

    def to(self, device: torch.device) -> "Loss":
        """Return the same loss with its weights on ``device``."""
        weights = self.label_weights.to(device), self.positive_weights.to(device)
        return replace(self, label_weights=weights[0], positive_weights=weights[1])


def build_loss(
    name: LossName,
    share: Floats,
    power: float,
    *,
    elements: ElementLoss = cross_entropy,
    effective: EffectiveNumber | None = None,
    weigh_labels: bool = False,
    smoothing: float = 0.0,
) -> Loss:
    """Build the loss of a recipe from the label frequencies of its training data.

    Parameters
    ----------
    name : "weighted_bce" weights labels, "pos_weight_bce" weights positives inside a label, "bce" neither; "focal" and
        "asymmetric" weight labels only with ``weigh_labels``
    share : (L,) of positives in the training targets
    power : of the weights; see `inverse_frequency_weights` and `balance_weights`
    elements : the loss of an element; another one for "focal" and "asymmetric"
    effective : computes the weights, instead of inverse frequencies
    weigh_labels : whether "focal" and "asymmetric" weight labels
    smoothing : of the targets, in [0, 1]
    """
    label_weights = positive_weights = np.ones(len(share))
    if name == "weighted_bce" or (weigh_labels and name in ("focal", "asymmetric")):
        weigh = effective.label_weights if effective else inverse_frequency_weights
        label_weights = weigh(share, power)
    elif name == "pos_weight_bce":
        balance = effective.balance_weights if effective else balance_weights
        positive_weights = balance(share, power)
    return Loss(
        torch.tensor(label_weights, dtype=torch.float32),
        torch.tensor(positive_weights, dtype=torch.float32),
        elements,
        smoothing,
    )
