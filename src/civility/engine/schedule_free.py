"""Schedule-free AdamW: an optimiser that averages its weights, in the place of a decay of its learning rate.

Defazio et al. 2024, "The Road Less Scheduled", algorithm 1. Three sequences: z takes the steps, x is their weighted
mean, and gradients are taken at y between the two. The model holds y, also during a validation of ours, which puts x
into it and takes it out again (`civility.engine.weight_averaging`): the optimiser is never asked for its ``eval`` mode.
"""

from collections.abc import Sequence
from typing import Any

import torch

from civility.engine.parameter_groups import Group


def build_schedule_free(
    groups: Sequence[Group], *, betas: tuple[float, float], epsilon: float
) -> torch.optim.Optimizer:
    """Build the authors' own, which takes its warm-up from the learning rate that the loop sets.

    A step weighs in the mean by the square of the highest learning rate until then, so those of a warm-up count less.

    Parameters
    ----------
    groups : of parameters
    betas : where y stands between z and x, above 0; decay of the mean of squared gradients
    epsilon : added to the root of that mean
    """
    from schedulefree import AdamWScheduleFree

    optimizer: torch.optim.Optimizer = AdamWScheduleFree(list(groups), lr=0.0, betas=betas, eps=epsilon)
    optimizer.train()  # type: ignore[attr-defined]
    return optimizer


@torch.no_grad()
def averaged_weights(model: Any, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return x by name in the model's state dictionary, computed anew; empty before the first step.

    ``y = (1 - beta) z + beta x``, so ``x = y + (1 - 1 / beta) (z - y)``, as in the authors' ``eval``.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: torch.lerp(parameter.detach(), optimizer.state[parameter]["z"], 1 - 1 / group["betas"][0])
        for group in optimizer.param_groups
        for parameter in group["params"]
        if "z" in optimizer.state.get(parameter, {})
    }
