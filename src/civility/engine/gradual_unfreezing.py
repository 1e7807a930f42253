"""Gradual unfreezing: layers join the training one after the other, from the top down. A function of the step.

Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", section 3.3: the last layer has the
least general knowledge, so it is trained first. They thaw a layer an epoch; here the steps are shared out evenly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Thaw:
    """Which parameters are trained at a step.

    Parameters
    ----------
    groups : of parameters that thaw together, in this order: the top layer first, the embeddings last. What is in
        none of them is left alone: the head is trained from the beginning, what the recipe freezes never is
    fraction : of all steps, after which everything is trained, in [0, 1]
    """

    groups: tuple[tuple[torch.nn.Parameter, ...], ...]
    fraction: float

    def num_thawed(self, step: int, num_steps: int) -> int:
        """Return how many groups are trained at the step with this 0-based number, of so many in all.

        The first thaws after a share of ``1 / groups`` of the time: before that only the head is trained.
        """
        time = int(self.fraction * num_steps)
        return len(self.groups) if step >= time else step * len(self.groups) // time

    def apply(self, step: int, num_steps: int) -> None:
        """Let the parameters that are trained at a step have gradients, and no others of the groups."""
        num_thawed = self.num_thawed(step, num_steps)
        for number, group in enumerate(self.groups):
            for parameter in group:
                parameter.requires_grad_(number < num_thawed)


def thaw_in_turn(parts: Sequence[Sequence[torch.nn.Parameter]], fraction: float) -> Thaw:
    """Let parts of a model thaw in this order; parameters that are frozen now stay so, and take no turn."""
    groups = (tuple(parameter for parameter in part if parameter.requires_grad) for part in parts)
    return Thaw(tuple(group for group in groups if group), fraction)
