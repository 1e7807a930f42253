"""The learning rate as a function of the step, without a state."""

import math
from dataclasses import dataclass
from typing import Literal

ScheduleName = Literal["linear", "cosine", "constant", "polynomial", "one_cycle"]


@dataclass(frozen=True)
class Schedule:
    """A warm-up to the peak, then a decay that ends at ``num_steps``.

    The factors are those of transformers' ``get_linear_schedule_with_warmup`` and its relatives: with a warm-up, the
    first step has learning rate 0. A function of our own step counter, since accelerate's schedulers step once per
    *process* and only when gradients are synchronised (huggingface/accelerate#963).

    - "linear": to 0.
    - "cosine": half a wave (Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
      equation 5, without a restart).
    - "constant": stays at the peak.
    - "polynomial": the remaining share of the steps to a power (Devlin et al.'s code for BERT has power 1).
    - "one_cycle": rises from a share of the peak instead of from 0, along half a wave, and falls along another
      (Smith & Topin 2018, "Super-Convergence", in the form of torch's ``OneCycleLR``).

    Parameters
    ----------
    peak : highest learning rate
    num_warmup_steps : optimizer steps of warm-up; may be 0
    num_steps : optimizer steps in all planned epochs
    name : of the decay
    power : of "polynomial"
    final_share : of the peak, at the end of "cosine", "polynomial" and "one_cycle"
    start_share : of the peak, at the first step of "one_cycle"
    """

    peak: float
    num_warmup_steps: int
    num_steps: int
    name: ScheduleName = "linear"
    power: float = 1.0
    final_share: float = 0.0
    start_share: float = 0.0

    @property
    def final(self) -> float:
        """The learning rate at the end of all steps."""
        share = {"linear": 0.0, "constant": 1.0}.get(self.name, self.final_share)
        return self.peak * share

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of the optimizer step with this 0-based number."""
        if step < self.num_warmup_steps:
            done = step / self.num_warmup_steps
            if self.name == "one_cycle":
                return self.peak * (1 - (1 - self.start_share) * _half_wave(done))
            return self.peak * done
        remaining = max(0, self.num_steps - step)
        return self.peak * self._factor(remaining / max(1, self.num_steps - self.num_warmup_steps))

    def _factor(self, remaining: float) -> float:
        """Return the share of the peak if this share of the decay remains."""
        if self.name == "linear":
            return remaining
        if self.name == "constant":
            return 1.0
        shape = remaining**self.power if self.name == "polynomial" else _half_wave(1 - remaining)
        return shape * (1 - self.final_share) + self.final_share


def _half_wave(done: float) -> float:
    """Return the value of half a cosine wave that falls from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * done))
