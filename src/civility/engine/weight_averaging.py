"""Averages of weights over steps (EMA, SWA), validated and kept instead of the weights that are trained.

An average reads the weights after each executed step. For a validation it swaps places with them, tensor by tensor, so
that not a bit of them is lost.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch.optim import swa_utils

_Update = Callable[[list[torch.Tensor], list[torch.Tensor], int], None]
# torch leaves them without types.
_ema: Callable[[float], _Update] = swa_utils.get_ema_multi_avg_fn
_swa: Callable[[], _Update] = swa_utils.get_swa_multi_avg_fn
_EXTRA = "_extra_state"
"""End of the name of what a module adds to a state dictionary. It is a copy: to change it, it has to be loaded."""


class Average:
    """Weights that are validated instead of a model's own; without a state of their own unless a subclass has one."""

    def update(self, model: Any, step: int, num_steps: int) -> None:
        """Take in the weights after the executed optimizer step with the 0-based number ``step`` of ``num_steps``."""

    def weights(self) -> dict[str, torch.Tensor]:
        """Return them by name in the model's state dictionary, in memory of their own; empty: the model's own."""
        raise NotImplementedError

    def state(self) -> dict[str, int]:
        """Return what a checkpoint keeps besides the weights, ready for JSON."""
        return {}

    def restore(self, weights: Mapping[str, torch.Tensor], state: Mapping[str, int]) -> None:
        """Restore what a checkpoint has kept."""


@dataclass(eq=False)
class WeightAverage(Average):
    """The average of the weights after each step: exponential ("ema"), or with equal weights from a step on ("swa").

    Both begin with the weights after the first step that they see. Then, with n steps seen before:

    - "ema": ``average += (1 - d) * (weights - average)`` with ``d = min(decay, (1 + n) / (10 + n))``. The second term
      lets the average follow quickly at first, as in TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``.
    - "swa": ``average += (weights - average) / (n + 1)``, the mean of all of them (Izmailov et al. 2018, "Averaging
      Weights Leads to Wider Optima and Better Generalization", algorithm 1, with a cycle of one step).

    The average of decayed rows is the rows times the average of the decays, so the decay of embeddings out of use is
    averaged like the weights, in float64.
    """

    kind: Literal["ema", "swa"]
    names: tuple[str, ...]  # what is averaged, by name in the model's state dictionary; frozen weights need no copy
    decay: float = 0.999  # of "ema", in [0, 1)
    start: float = 0.0  # of "swa": share of all steps before it begins, in [0, 1)
    _num_seen: int = 0
    _mean: dict[str, torch.Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def update(self, model: Any, step: int, num_steps: int) -> None:
        """Take in the weights after an executed step; as `Average.update`."""
        if self.kind == "swa" and step < int(self.start * num_steps):
            return
        own = model.state_dict()
        if not self._num_seen:
            self._mean = {name: own[name].clone() for name in self.names}
        else:
            # torch's functions step from the average towards the weights: one that does not move is not even rounded.
            decay = min(self.decay, (1 + self._num_seen) / (10 + self._num_seen))
            step_towards = _swa() if self.kind == "swa" else _ema(decay)
            step_towards(list(self._mean.values()), [own[name] for name in self._mean], self._num_seen)
        self._num_seen += 1

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the average by name; empty before it has begun."""
        return self._mean

    def state(self) -> dict[str, int]:
        """Return the number of steps seen."""
        return {"num_seen": self._num_seen}

    def restore(self, weights: Mapping[str, torch.Tensor], state: Mapping[str, int]) -> None:
        """Restore what a checkpoint has kept."""
        self._num_seen, self._mean = int(state["num_seen"]), dict(weights)


@dataclass(frozen=True, eq=False)
class ComputedWeights(Average):
    """Averaged weights that ``compute`` returns from the optimizer's state."""

    compute: Callable[[], dict[str, torch.Tensor]]

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights by name."""
        return self.compute()


def names_to_average(model: Any, trained: Collection[torch.Tensor]) -> tuple[str, ...]:
    """Return the names of what training changes in an unwrapped model's state dictionary, tied weights once.

    ``trained`` are its parameters that are trained, or will be.
    """
    wanted = {parameter.data_ptr() for parameter in trained}
    parameters = {name for name, _ in model.named_parameters()}
    return tuple(
        name
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and (tensor.data_ptr() in wanted if name in parameters else name.endswith(_EXTRA))
    )


@contextlib.contextmanager
def in_place(average: Average | None, model: Any) -> Iterator[None]:
    """Give a model the averaged weights inside the block, and its own, to the bit, afterwards."""
    weights = average.weights() if average is not None else {}
    _exchange(model, weights)
    try:
        yield
    finally:
        _exchange(model, weights)


@torch.no_grad()
def _exchange(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Swap a model's weights with others, tensor by tensor: copies of all at once could be too large."""
    own = model.state_dict()
    for name, other in weights.items():
        kept = own[name].clone()
        own[name].copy_(other)
        other.copy_(kept)
    extra = {name: own[name] for name in weights if name.endswith(_EXTRA)}
    if extra:
        model.load_state_dict(extra, strict=False)


def put_weights(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Replace a model's weights by others of the same names."""
    model.load_state_dict(dict(weights), strict=False)
