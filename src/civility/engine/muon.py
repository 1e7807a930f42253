"""Muon for the matrices of the layers and AdamW for everything else, in one optimizer."""

from collections.abc import Sequence
from typing import Any

import torch

from civility.engine.parameter_groups import Group, split_groups
from civility.errors import UserError
from civility.models.layers import layers_of


class MuonWithAdamW(torch.optim.Optimizer):
    """Two of torch's optimizers over one state and one list of groups, those of Muon first.

    This optimizer owns groups and state, and passes them to the two for each step. So ``state_dict`` and
    ``load_state_dict``, which replaces the groups, are torch's own.

    Muon replaces a step of momentum by the nearest orthogonal matrix (Jordan et al. 2024, "Muon: An optimizer for
    hidden layers in neural networks"), scaled so that an update has the root mean square of AdamW's and its learning
    rate and weight decay can be kept: ``0.2 sqrt(max(rows, columns))`` (Liu et al. 2025, "Muon is Scalable for LLM
    Training", section 2.2). The Newton-Schulz iterations are in bfloat16, whatever the precision.

    Parameters
    ----------
    muon : groups of matrices
    adamw : groups of all other parameters
    momentum : of Muon, with Nesterov momentum
    iterations : Newton-Schulz iterations
    betas, epsilon : of AdamW
    """

    def __init__(
        self,
        muon: Sequence[Group],
        adamw: Sequence[Group],
        *,
        momentum: float,
        iterations: int,
        betas: tuple[float, float],
        epsilon: float,
    ) -> None:
        # Each fills its defaults into the dictionaries that become this optimizer's groups.
        self._muon = torch.optim.Muon(
            list(muon), lr=0.0, momentum=momentum, ns_steps=iterations, adjust_lr_fn="match_rms_adamw"
        )
        self._adamw = torch.optim.AdamW(list(adamw), lr=0.0, betas=betas, eps=epsilon, fused=True)
        self._num_muon = len(self._muon.param_groups)
        super().__init__([*self._muon.param_groups, *self._adamw.param_groups], {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take the step of both."""
        self._muon.param_groups = self.param_groups[: self._num_muon]
        self._adamw.param_groups = self.param_groups[self._num_muon :]
        parts: tuple[torch.optim.Optimizer, ...] = (self._muon, self._adamw)
        for part in parts:
            part.state = self.state
            part.step()


def build_muon(
    model: Any,
    groups: Sequence[Group],
    *,
    momentum: float,
    iterations: int,
    betas: tuple[float, float],
    epsilon: float,
) -> MuonWithAdamW:
    """Build Muon over the trainable matrices of the layers, and AdamW over everything else.

    Parameters
    ----------
    model : a sequence classifier of transformers
    groups : of its trainable parameters
    momentum, iterations, betas, epsilon : as of `MuonWithAdamW`

    Raises
    ------
    UserError : the layers of the model are not known, or none is trained
    """
    layers = layers_of(model, "training.optimizer", "muon", off="adamw")
    matrices = {id(one) for one in layers.parameters() if one.ndim == 2}
    muon, adamw = split_groups(groups, matrices)
    if not muon:
        raise UserError(
            "engine.nothing-to-train",
            'training.optimizer = "muon" is for the matrices of the layers, and none of them is trained',
            remedy='set training.optimizer to "adamw", or lower training.freeze_layers',
        )
    return MuonWithAdamW(muon, adamw, momentum=momentum, iterations=iterations, betas=betas, epsilon=epsilon)
