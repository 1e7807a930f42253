"""The loss: binary cross-entropy on logits, weighted by label. Unknown targets take no part.

Everything here is a *sum* over known elements: the loop divides by the number of known targets in the
whole optimiser step, which is what makes accumulation and several processes equal to one large batch.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from civility.data.dataset import POSITIVE_FROM

LossName = Literal["weighted_bce", "pos_weight_bce", "bce", "focal", "asymmetric"]
_FREQUENCY_FLOOR = 1e-6


def positive_share(targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the share of positives among each label's known targets, (L,); NaN where none is known."""
    known = ~np.isnan(targets)
    num_known = known.sum(axis=0)
    num_positive = np.where(known, targets >= POSITIVE_FROM, False).sum(axis=0)
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
class Loss:
    """Binary cross-entropy on logits with a weight a label and a weight for the positives of a label.

    Parameters
    ----------
    label_weights : (L,) multiplies all of a label's elements
    positive_weights : (L,) multiplies the positive part of a label's elements
    """

    label_weights: torch.Tensor
    positive_weights: torch.Tensor

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
        elements = functional.binary_cross_entropy_with_logits(
            logits.float(), filled, reduction="none", pos_weight=self.positive_weights
        )
        return (elements * self.label_weights * known).sum()

    def to(self, device: torch.device) -> "Loss":
        """Return the same loss with its weights on ``device``."""
        return Loss(self.label_weights.to(device), self.positive_weights.to(device))


def build_loss(name: LossName, share: npt.NDArray[np.float64], power: float) -> Loss:
    """Build the loss of a recipe from the label frequencies of its training data.

    Parameters
    ----------
    name : "weighted_bce" weighs labels, "pos_weight_bce" weighs positives inside a label, "bce" neither
    share : (L,) of positives in the training targets
    power : of the weights; see `inverse_frequency_weights` and `balance_weights`
    """
    ones = np.ones(len(share))
    label_weights = inverse_frequency_weights(share, power) if name == "weighted_bce" else ones
    positive_weights = balance_weights(share, power) if name == "pos_weight_bce" else ones
    return Loss(torch.tensor(label_weights, dtype=torch.float32), torch.tensor(positive_weights, dtype=torch.float32))
