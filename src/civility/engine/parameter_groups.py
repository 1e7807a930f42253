"""Weight decay groups and layer-wise learning rates: which parameters an optimizer updates alike.

A group is a dictionary, as in torch. The loop sets the learning rate of each group to that of the schedule times the
group's ``lr_scale``.
"""

import hashlib
import json
from collections.abc import Collection
from typing import Any, Literal

import torch

from civility.models.layers import embeddings_of, layers_of

DecayOn = Literal["all", "matrices"]
Group = dict[str, Any]


def parameter_groups(
    model: Any, *, weight_decay: float, decay_on: DecayOn = "all", layer_decay: float = 1.0
) -> list[Group]:
    """Return the trainable parameters of a model in groups, each in the model's order.

    The head and the pooler learn at the full rate, the top layer at ``layer_decay`` times that, each layer below at
    ``layer_decay`` times the rate of the one above it, and the embeddings as if they were one more layer (Clark et al.
    2020, "ELECTRA", appendix B; Howard & Ruder 2018, "Universal Language Model Fine-tuning", section 3.2). With the
    defaults, all parameters are one group.

    Parameters
    ----------
    model : a sequence classifier of transformers
    weight_decay : per step, times the learning rate
    decay_on : "matrices" leaves biases and norms without weight decay, as the authors of BERT did (Devlin et al.
        2019, their code's ``exclude_from_weight_decay``)
    layer_decay : in (0, 1]

    Raises
    ------
    TypeError : a parameter is not float32. Half-precision weights would lose small updates, and fp16 mixed
        precision cannot unscale their gradients (huggingface/sentence-transformers#3773)
    UserError : ``layer_decay`` is not 1, and the layers of the model are not known
    """
    depths = _depths(model, layer_decay) if layer_decay != 1 else {}
    groups: dict[tuple[int, bool], Group] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.dtype != torch.float32:
            raise TypeError(f"parameter {name} is {parameter.dtype}; training needs float32 weights")
        depth, decays = depths.get(id(parameter), 0), decay_on == "all" or parameter.ndim > 1
        group = groups.setdefault(
            (depth, decays),
            {"params": [], "weight_decay": weight_decay if decays else 0.0, "lr_scale": layer_decay**depth},
        )
        group["params"].append(parameter)
    return list(groups.values())


def _depths(model: Any, layer_decay: float) -> dict[int, int]:
    """Return how many layers below the head each parameter is, by its identity, without those of the head."""
    layers = layers_of(model, "regularization.layer_decay", layer_decay, off="1")
    depths = {id(one): len(layers) - place for place, layer in enumerate(layers) for one in layer.parameters()}
    depths |= {id(one): len(layers) + 1 for part in embeddings_of(model) for one in part.parameters()}
    return depths


def split_groups(groups: Collection[Group], wanted: Collection[int]) -> tuple[list[Group], list[Group]]:
    """Split groups into those of the parameters with these identities and those of the others, without empty groups."""
    parts: tuple[list[Group], list[Group]] = ([], [])
    for group in groups:
        for part, belongs in zip(parts, (True, False), strict=True):
            chosen = [one for one in group["params"] if (id(one) in wanted) == belongs]
            if chosen:
                part.append({**group, "params": chosen})
    return parts


def group_of(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter) -> Group:
    """Return the group of a parameter."""
    return next(group for group in optimizer.param_groups if any(one is parameter for one in group["params"]))


def grouping(model: Any, optimizer: torch.optim.Optimizer) -> str:
    """Return a sha256 of an optimizer's kind and its groups in order; empty for AdamW with a single group."""
    kind = type(optimizer).__name__
    if kind == "AdamW" and len(optimizer.param_groups) == 1:
        return ""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    listed = [[names[id(parameter)] for parameter in group["params"]] for group in optimizer.param_groups]
    return f"sha256:{hashlib.sha256(json.dumps([kind, *listed]).encode()).hexdigest()}"
