"""Adversarial training: a step's gradient is computed a second time where moved token embeddings make its loss worse.

The fast gradient method, FGM (Miyato, Dai & Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text
Classification", equations 5 and 6). The paper moves what each comment reads; here the rows of the embedding table move,
by the gradient of the whole step, so that micro-batches and processes change nothing, and the table is not normalised.

After the clean gradients have been added up, the table moves a little along its own, the same comments pass once more
under the same dropout, and the optimiser gets the mean of both gradients. The table comes back from a copy, to the bit.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from civility.engine.devices import is_out_of_memory


@dataclass(frozen=True, eq=False)
class Adversary:
    """Moves the token embedding to where the loss is worse, by ``size * g / ||g||`` along its gradient g.

    Parameters
    ----------
    table : the token embedding, as it is trained
    size : L2 norm of the move
    start : share of all steps before the first move, in [0, 1)
    """

    table: torch.nn.Parameter
    size: float
    start: float = 0.0

    def acts(self, step: int, num_steps: int) -> bool:
        """Whether the step with this 0-based number, of ``num_steps``, has a second pass."""
        return step >= int(self.start * num_steps)

    def has_direction(self) -> bool:
        """Whether the gradient has a direction: not where it is missing or zero, or has overflowed."""
        if self.table.grad is None:
            return False
        norm = self.table.grad.norm()
        return bool(norm.isfinite() & (norm > 0))

    @contextlib.contextmanager
    def moved(self) -> Iterator[bool]:
        """Move the table along its gradient while the block runs; yield whether the memory was large enough.

        The gradient needs a direction. A factor of it, such as the scale of fp16, changes nothing.
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
    """Take the gradients away while the block runs, which makes others.

    Afterwards each parameter has the mean of both: of the gradient before and the one that the block has made.
    """
    clean = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    yield
    with torch.no_grad():
        for parameter, before in zip(parameters, clean, strict=True):
            if before is not None and parameter.grad is not None:
                before.add_(parameter.grad).mul_(0.5)
            parameter.grad = before
