"""Adversarial training: a second gradient for each step, with token embeddings moved to where the loss is higher.

The fast gradient method, FGM (Miyato, Dai & Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text
Classification", equations 5 and 6). The paper moves the embeddings of each comment; here the rows of the embedding
table move along the gradient of the whole step, so that micro-batches and processes change nothing. The table is not
normalised.

After the gradients of the step are summed, the table moves a little along its own, the same comments pass again with
the same dropout, and the optimizer gets the mean of both gradients. The table is restored from a copy, to the bit.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from civility.engine.devices import is_out_of_memory


@dataclass(frozen=True, eq=False)
class Adversary:
    """Moves the token embedding to where the loss is higher, by ``size * g / ||g||`` along its gradient g.

    Parameters
    ----------
    table : the token embedding that is trained
    size : L2 norm of the move
    start : share of all steps before the first move, in [0, 1)
    """

    table: torch.nn.Parameter
    size: float
    start: float = 0.0

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

        The gradient needs a direction. A constant factor, such as the scale of fp16, changes nothing.
        """
        before = None
        fits = True
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
