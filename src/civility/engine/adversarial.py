"""Adversarial training: a step's gradient is taken once more where moving the weights made its loss worse.

Weights are moved, not each comment's input, and by the gradient of the whole step: so micro-batches and processes
change nothing. After the clean gradients have been added up, the weights move a little along them, the same comments
pass once more under the same dropout, and what the optimiser gets is the mean of both gradients. The weights come back
from copies, to the bit.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from civility.engine.devices import is_out_of_memory


@dataclass(frozen=True, eq=False)
class Adversary:
    """Moves weights to where the loss is worse.

    - "fgm": the token embedding, by ``size * g / ||g||`` (Miyato, Dai & Goodfellow 2017, "Adversarial Training Methods
      for Semi-Supervised Text Classification", equations 5 and 6). They move what each comment reads; here the rows of
      the table move, once a step, and tables are not normalised.
    - "awp": each matrix by ``size * ||w|| * g / ||g||`` (Wu, Xia & Wang 2020, "Adversarial Weight Perturbation Helps
      Robust Generalization", equation 10, in one move).

    Parameters
    ----------
    kind : "fgm" or "awp"
    parameters : that are moved, where they are trained
    size : of the move: its norm for "fgm", its share of each matrix's norm for "awp"
    start : share of all steps before it begins, in [0, 1)
    """

    kind: Literal["fgm", "awp"]
    parameters: tuple[torch.nn.Parameter, ...]
    size: float
    start: float = 0.0

    def acts(self, step: int, num_steps: int) -> bool:
        """Whether the step with this 0-based number, of so many in all, is one of those with a second pass."""
        return step >= int(self.start * num_steps)

    def has_direction(self) -> bool:
        """Whether the gradients tell where to: not where one of them overflowed, or all are zero."""
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if not gradients:
            return False
        total = torch.stack(torch._foreach_norm(gradients)).sum()
        return bool(total.isfinite() & (total > 0))

    @contextlib.contextmanager
    def moved(self) -> Iterator[bool]:
        """Move the weights along their gradients while the block runs; tell whether the memory has been enough.

        A factor of the gradients, as that of fp16, changes nothing.
        """
        moving = [parameter for parameter in self.parameters if parameter.grad is not None]
        kept: list[torch.Tensor] = []
        fits = True
        try:
            try:
                kept.extend(parameter.detach().clone() for parameter in moving)
                self._move(moving)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                fits = False
            yield fits
        finally:
            with torch.no_grad():
                for parameter, before in zip(moving, kept, strict=False):  # fewer where there was no memory for all
                    parameter.copy_(before)

    @torch.no_grad()
    def _move(self, moving: Sequence[torch.nn.Parameter]) -> None:
        for parameter in moving:
            assert parameter.grad is not None
            norm = parameter.grad.norm()
            size = self.size * parameter.norm() if self.kind == "awp" else norm.new_tensor(self.size)
            # A matrix without a gradient of its own stays where it is: 0 / 0 would be NaN.
            parameter.add_(parameter.grad * torch.where(norm > 0, size / norm, 0.0))


def matrices_to_move(model: torch.nn.Module) -> tuple[torch.nn.Parameter, ...]:
    """Return the trained weight matrices of a model: of what multiplies, not of tables that are looked up in.

    Norms and biases are left out as by the authors' own code (csdongxian/AWP), which moves what has more than one
    dimension. A table's norm is that of rows which a step does not see.
    """
    tables = {
        id(parameter)
        for module in model.modules()
        if not isinstance(module, torch.nn.Linear) and "Embedding" in type(module).__name__
        for parameter in module.parameters(recurse=False)
    }
    return tuple(
        parameter
        for parameter in model.parameters()
        if parameter.requires_grad and parameter.ndim >= 2 and id(parameter) not in tables
    )


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
