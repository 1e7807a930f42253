"""Regularization inside a step: R-Drop, gradual unfreezing and adversarial training.

Axes: B comments of a micro-batch, L labels.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from civility.engine.devices import is_out_of_memory
from civility.engine.loss import Loss


@dataclass(frozen=True, eq=False)
class Adversary:
    """Moves the token embedding to where the loss is higher, by ``size * g / ||g||`` along its gradient g.

    The fast gradient method, FGM (Miyato, Dai & Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text
    Classification", equations 5 and 6). The paper moves the normalised embeddings of each comment; here the rows of the
    table move along the gradient of the whole step, so that micro-batches and processes change nothing. Then the same
    comments pass again with the same dropout, and the optimizer gets the mean of both gradients.
    """

    table: torch.nn.Parameter  # the token embedding that is trained
    size: float  # L2 norm of the move
    start: float = 0.0  # share of all steps before the first move, in [0, 1)

    def acts(self, step: int, num_steps: int) -> bool:
        """Whether the 0-based ``step`` of ``num_steps`` has a second pass."""
        return step >= int(self.start * num_steps)

    def has_direction(self) -> bool:
        """Whether the gradient has a direction: it is there, not zero, and has not overflowed."""
        if self.table.grad is None:
            return False
        norm = self.table.grad.norm()
        return bool(norm.isfinite() & (norm > 0))

    @contextlib.contextmanager
    def moved(self) -> Iterator[bool]:
        """Move the table along its gradient inside the block; yield False, without a move, if memory ran out.

        Needs `has_direction`; a constant factor, such as the scale of fp16, changes nothing. The table is restored from
        a copy, to the bit.
        """
        before, fits = None, True
        try:
            try:
                before = self.table.detach().clone()
                self._move()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                fits = False
            yield fits
        finally:
            if before is not None:
                with torch.no_grad():
                    self.table.copy_(before)

    @torch.no_grad()
    def _move(self) -> None:
        assert self.table.grad is not None
        norm = self.table.grad.norm()
        self.table.add_(self.table.grad * (norm.new_tensor(self.size) / norm))


@contextlib.contextmanager
def gradients_set_aside(parameters: Sequence[torch.nn.Parameter]) -> Iterator[None]:
    """Set the gradients aside inside the block, which computes others; leave the mean of both afterwards."""
    clean = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    yield
    with torch.no_grad():
        for parameter, before in zip(parameters, clean, strict=True):
            if before is not None and parameter.grad is not None:
                before.add_(parameter.grad).mul_(0.5)
            parameter.grad = before


def symmetric_divergence(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return ``(KL(p || q) + KL(q || p)) / 2`` of the Bernoulli variables of two logits, elementwise.

    With ``p = sigmoid(a)`` and ``q = sigmoid(b)`` the sum is ``(p - q) (a - b)``, without a logarithm of zero. If both
    are close to 1, the difference is taken of ``1 - q`` and ``1 - p``, which keep their digits. Computed in float32.
    """
    first, second = first.float(), second.float()
    sign = torch.where(first + second > 0, -1.0, 1.0)
    difference = sign * (torch.sigmoid(sign * first) - torch.sigmoid(sign * second))
    return difference * (first - second) / 2


def loss_of_passes(loss: Loss, passes: Sequence[torch.Tensor], targets: torch.Tensor, r_drop: float) -> torch.Tensor:
    """Return the loss of a micro-batch of one pass, or of two for R-Drop, summed over known elements: float32 scalar.

    R-Drop (Wu et al. 2021, "R-Drop: Regularized Dropout for Neural Networks", equations 2 to 4) passes a comment twice,
    with different dropout, and asks the two outputs to agree. The loss is the mean of the losses of the passes, so that
    the denominator stays that of one pass, plus ``r_drop`` times their divergence. The paper adds up the two losses:
    its weight alpha is twice this one.

    Parameters
    ----------
    loss : of one pass
    passes : the logits of one pass or two, (B, L) each
    targets : (B, L); NaN is unknown
    r_drop : weight of the divergence
    """
    total = loss.sum(passes[0], targets)
    if len(passes) == 1:
        return total
    first, second = passes
    total = (total + loss.sum(second, targets)) / 2  # before the divergence: the order decides how gradients round
    divergence = torch.where(~torch.isnan(targets), symmetric_divergence(first, second), 0.0).sum()
    return total + r_drop * divergence


@dataclass(frozen=True, eq=False)
class GradualUnfreezing:
    """Layers join the training one by one, from the top down, as a function of the step.

    Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", section 3.3: the last layer has
    the least general knowledge, so it is trained first. They unfreeze a layer an epoch; here the steps are divided
    evenly.
    """

    # In the order in which they unfreeze: the top layer first, the embeddings last. Parameters in no group are left
    # alone: the head is trained from the beginning, and what the recipe freezes stays frozen.
    groups: tuple[tuple[torch.nn.Parameter, ...], ...]
    fraction: float  # of all steps, after which everything is trained, in [0, 1]

    @classmethod
    def of(cls, parts: Sequence[Sequence[torch.nn.Parameter]], fraction: float) -> "GradualUnfreezing":
        """Unfreeze parts of a model in this order, except the parameters that are frozen now."""
        groups = (tuple(parameter for parameter in part if parameter.requires_grad) for part in parts)
        return cls(tuple(group for group in groups if group), fraction)

    def num_unfrozen(self, step: int, num_steps: int) -> int:
        """Return how many groups are trained at the 0-based ``step`` of ``num_steps``.

        The first group unfreezes after a share of ``1 / groups`` of the time; before that only the head is trained.
        """
        time = int(self.fraction * num_steps)
        return len(self.groups) if step >= time else step * len(self.groups) // time

    def apply(self, step: int, num_steps: int) -> None:
        """Enable gradients for the groups that are trained at a step, and disable them for the others."""
        num_unfrozen = self.num_unfrozen(step, num_steps)
        for number, group in enumerate(self.groups):
            for parameter in group:
                parameter.requires_grad_(number < num_unfrozen)


@dataclass(frozen=True, eq=False)
class Regularizers:
    """The regularization of a step; each part is None or 0 if it is off."""

    r_drop: float = 0.0  # weight of the divergence of two passes; 0 for one pass
    unfreezing: GradualUnfreezing | None = None  # lets layers join the training one by one
    adversary: Adversary | None = None  # moves the token embedding to where the loss is higher
