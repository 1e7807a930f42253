"""Averages of weights over steps, which are validated and kept in the place of the weights that are trained.

An average is a guest of the training: it reads the weights after each executed step, and for a validation it changes
places with them, tensor by tensor, so that not a bit of them is lost.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch

_EXTRA = "_extra_state"
"""How torch ends the name of what a module adds to a state dictionary: a copy, which has to be set to be changed."""


class Average(Protocol):
    """Weights that are validated in the place of a model's own."""

    def update(self, model: Any, step: int, num_steps: int) -> None:
        """See the weights after the executed optimiser step with this 0-based number, of so many in all."""
        ...

    def weights(self) -> dict[str, torch.Tensor]:
        """Return them by name in the model's state dictionary, sharing no memory with it; empty: the model's own."""
        ...

    def state(self) -> dict[str, int]:
        """Return what a checkpoint keeps beside the weights, as JSON."""
        ...

    def restore(self, weights: Mapping[str, torch.Tensor], state: Mapping[str, int]) -> None:
        """Go on from what a checkpoint has kept."""
        ...


@dataclass(eq=False)
class WeightAverage:
    """The average of the weights after each step: an exponential one ("ema"), or an equal one from a step on ("swa").

    Both begin with the weights after the first step that they see. Then, with n steps seen before:

    - "ema": ``average += (1 - d) * (weights - average)`` with ``d = min(decay, (1 + n) / (10 + n))``. The second term
      lets the average follow while it has seen little; it is that of TensorFlow's ``ExponentialMovingAverage`` with
      ``num_updates``.
    - "swa": ``average += (weights - average) / (n + 1)``, the mean of all of them (Izmailov et al. 2018, "Averaging
      Weights Leads to Wider Optima and Better Generalization", algorithm 1, with a cycle of one step).

    An average of decayed rows is the rows times the average of the decays: the decay of the embeddings out of use is
    averaged as the weights are, in float64.

    Parameters
    ----------
    kind : "ema" or "swa"
    names : of the model's state dictionary, what is averaged: what is never trained needs no copy
    decay : of "ema", in [0, 1)
    start : of "swa": share of all steps before it begins, in [0, 1)
    """

    kind: Literal["ema", "swa"]
    names: tuple[str, ...]
    decay: float = 0.999
    start: float = 0.0
    _num_seen: int = 0
    _mean: dict[str, torch.Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def update(self, model: Any, step: int, num_steps: int) -> None:
        """See the weights after the executed optimiser step with this 0-based number, of so many in all."""
        if self.kind == "swa" and step < int(self.start * num_steps):
            return
        own = model.state_dict()
        if not self._num_seen:
            self._mean = {name: own[name].clone() for name in self.names}
        else:
            # Written as a step towards the weights: a weight that does not move is not even rounded.
            torch._foreach_lerp_(list(self._mean.values()), [own[name] for name in self._mean], self._share())
        self._num_seen += 1

    def _share(self) -> float:
        """Return what the next weights count against the average before them."""
        if self.kind == "swa":
            return 1 / (self._num_seen + 1)
        return 1 - min(self.decay, (1 + self._num_seen) / (10 + self._num_seen))

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the average by name; empty before it has begun."""
        return self._mean

    def state(self) -> dict[str, int]:
        """Return how many steps it has seen."""
        return {"num_seen": self._num_seen}

    def restore(self, weights: Mapping[str, torch.Tensor], state: Mapping[str, int]) -> None:
        """Go on from what a checkpoint has kept."""
        self._num_seen, self._mean = int(state["num_seen"]), dict(weights)


@dataclass(frozen=True, eq=False)
class ComputedWeights:
    """Weights that are a function of what the optimiser knows, and have no state of their own.

    Parameters
    ----------
    compute : returns them, as `Average.weights` promises
    """

    compute: Callable[[], dict[str, torch.Tensor]]

    def update(self, model: Any, step: int, num_steps: int) -> None:
        """Nothing is to be done."""

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights by name."""
        return self.compute()

    def state(self) -> dict[str, int]:
        """Nothing is to be kept."""
        return {}

    def restore(self, weights: Mapping[str, torch.Tensor], state: Mapping[str, int]) -> None:
        """Nothing is to be restored: the optimiser has been."""


def names_to_average(model: Any, trained: Collection[torch.Tensor]) -> tuple[str, ...]:
    """Return the names in a model's state dictionary of what training changes, tied weights once.

    Parameters
    ----------
    trained : the parameters that are, or will be
    """
    wanted = {parameter.data_ptr() for parameter in trained}
    parameters = {name for name, _ in model.named_parameters()}
    return tuple(
        name
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and (tensor.data_ptr() in wanted if name in parameters else _is_of_state(name))
    )


def _is_of_state(name: str) -> bool:
    return name.endswith(_EXTRA)


@contextlib.contextmanager
def in_place(average: Average | None, model: Any) -> Iterator[None]:
    """Let a model have the averaged weights while the block runs, and its own ones, to the bit, afterwards."""
    weights = average.weights() if average is not None else {}
    _exchange(model, weights)
    try:
        yield
    finally:
        _exchange(model, weights)


@torch.no_grad()
def _exchange(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Let a model and some weights change places, a tensor at a time: all copied at once could be too much."""
    own = model.state_dict()
    for name, other in weights.items():
        kept = own[name].clone()
        own[name].copy_(other)
        other.copy_(kept)
    put_extra(model, {name: own[name] for name in weights})


def put_weights(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights in the place of a model's own ones of the same names."""
    model.load_state_dict(dict(weights), strict=False)


def put_extra(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Put what modules add to the state dictionary in its place; parameters and buffers are passed over."""
    extra = {name: tensor for name, tensor in weights.items() if name.endswith(_EXTRA)}
    if extra:
        model.load_state_dict(extra, strict=False)
