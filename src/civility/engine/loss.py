"""The loss of logits against targets, weighted by label. Unknown targets take no part.

Everything here is a *sum* over known elements: the loop divides by the number of known targets in the
whole optimiser step, which is what makes accumulation and several processes equal to one large batch.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from civility.data.dataset import count_targets
from civility.engine.elementwise_losses import CrossEntropy, Elements

LossName = Literal["weighted_bce", "pos_weight_bce", "bce", "focal", "asymmetric"]
_FREQUENCY_FLOOR = 1e-6
_CROSS_ENTROPY = CrossEntropy()


def positive_share(targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the share of positives among each label's known targets, (L,); NaN where none is known."""
    num_positive, num_known = count_targets(targets)
    share = np.full(targets.shape[1], np.nan)
    np.divide(num_positive, num_known, out=share, where=num_known > 0)
    return share


def inverse_frequency_weights(share: npt.NDArray[np.float64], power: float = 1.0) -> npt.NDArray[np.float64]:
    """Weigh each label by the inverse of its frequency; the weights sum to the number of labels.

    ``w = (1 / (share + 1e-6)) ** power``, then normalised. A weight scales *all* of a label's loss: a rare
    label counts more against other labels. It does not move the balance of positives and negatives inside
    the label: that is `balance_weights`.

    Parameters
    ----------
    share : (L,) of positives in the training targets
    power : 1 is the baseline recipe, 0.5 the square root, 0 gives every label the weight 1
    """
    weights = (1.0 / (share + _FREQUENCY_FLOOR)) ** power
    return np.asarray(weights / weights.sum() * len(share))


def balance_weights(share: npt.NDArray[np.float64], power: float = 1.0) -> npt.NDArray[np.float64]:
    """Weigh the positives inside each label by negatives per positive: torch's ``pos_weight``, (L,).

    Parameters
    ----------
    share : (L,) of positives in the training targets
    power : 1 makes positives and negatives weigh the same in sum, 0 leaves them as they are
    """
    return np.asarray(((1.0 - share) / (share + _FREQUENCY_FLOOR)) ** power)


@dataclass(frozen=True, eq=False)
class EffectiveNumber:
    """Weighing by the effective number of positives in the place of their share.

    ``E(n) = (1 - beta ** n) / (1 - beta)``: with ``beta = 0`` every label weighs the same, near 1 it is n (Cui et al.
    2019, "Class-Balanced Loss Based on Effective Number of Samples", proposition 1 and section 4).

    Parameters
    ----------
    beta : in [0, 1)
    num_known : (L,) known targets of each label
    """

    beta: float
    num_known: npt.NDArray[np.int64]

    def of(self, share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the effective numbers of so large shares of the known targets, (L,); at least that of one target."""
        num = np.maximum(np.asarray(share) * self.num_known, 1.0)
        # expm1: 1 - beta ** n loses its digits where beta is next to 1.
        return np.asarray(-np.expm1(num * np.log(self.beta)) / (1 - self.beta) if self.beta else np.ones(len(num)))

    def label_weights(self, share: npt.NDArray[np.float64], power: float = 1.0) -> npt.NDArray[np.float64]:
        """Weigh each label by ``E(positives) ** -power``; the weights sum to the number of labels."""
        weights = self.of(share) ** -power
        return np.asarray(weights / weights.sum() * len(share))

    def balance_weights(self, share: npt.NDArray[np.float64], power: float = 1.0) -> npt.NDArray[np.float64]:
        """Weigh the positives inside each label by ``(E(negatives) / E(positives)) ** power``, (L,)."""
        return np.asarray((self.of(1.0 - share) / self.of(share)) ** power)


@dataclass(frozen=True, eq=False)
class Loss:
    """The loss of elements with a weight a label and a weight for the positives of a label.

    Parameters
    ----------
    label_weights : (L,) multiplies all of a label's elements
    positive_weights : (L,) multiplies the positive part of a label's elements
    elements : the loss of one of them
    smoothing : share by which each target moves to one half (Szegedy et al. 2016, "Rethinking the Inception
        Architecture for Computer Vision", section 7, for two classes)
    """

    label_weights: torch.Tensor
    positive_weights: torch.Tensor
    elements: Elements = _CROSS_ENTROPY
    smoothing: float = 0.0

    def sum(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss summed over known elements: a float32 scalar.

        Parameters
        ----------
        logits : (B, L) any float dtype; the loss is computed in float32
        targets : (B, L) in [0, 1]; NaN takes no part, and gives an exactly zero gradient
        """
        known = ~torch.isnan(targets)
        # The unknown are replaced before the loss and not masked after it: 0 * NaN would be NaN.
        filled = torch.where(known, targets, torch.zeros_like(targets))
        if self.smoothing:
            filled = filled + self.smoothing * (0.5 - filled)
        elements = self.elements.of(logits.float(), filled, self.positive_weights)
        return (elements * self.label_weights * known).sum()

    def unsmoothed(self) -> "Loss":
        """Return the loss against the targets as they are: what a validation is measured by.

        Smoothing is how to train, not what is wanted: so the losses of runs with and without it can be compared.
        """
        return replace(self, smoothing=0.0)

    def to(self, device: torch.device) -> "Loss":
        """Return the same loss with its weights on ``device``."""
        weights = self.label_weights.to(device), self.positive_weights.to(device)
        return replace(self, label_weights=weights[0], positive_weights=weights[1])


def build_loss(
    name: LossName,
    share: npt.NDArray[np.float64],
    power: float,
    *,
    elements: Elements | None = None,
    effective: EffectiveNumber | None = None,
    weigh_labels: bool = False,
    smoothing: float = 0.0,
) -> Loss:
    """Build the loss of a recipe from the label frequencies of its training data.

    Parameters
    ----------
    name : "weighted_bce" weighs labels, "pos_weight_bce" weighs positives inside a label, "bce" neither; nor do
        "focal" and "asymmetric", unless they are told to weigh labels
    share : (L,) of positives in the training targets
    power : of the weights; see `inverse_frequency_weights` and `balance_weights`
    elements : the loss of an element, needed for "focal" and "asymmetric"
    effective : makes the weights, in the place of inverse frequencies
    weigh_labels : of "focal" and "asymmetric"
    smoothing : of the targets
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
        elements or _CROSS_ENTROPY,
        smoothing,
    )
