"""Dropout of a loaded model: other probabilities than it was published with.

Set on the modules, which both ways through the model read, and not in the configuration: what a classifier says of its
model stays true, and a run that goes on with it begins with the model's own shares.
"""

from typing import Any

import torch
from torch import nn

from civility.errors import UserError

_OWN = -1.0
_ATTENTION = ".attention.self.dropout"


def override_dropout(model: Any, *, hidden: float, attention: float, head: float) -> None:
    """Change the shares that a model drops in training.

    DeBERTa has two more places. Its dropout of the embeddings of distances, inside attention, goes with ``hidden``: its
    configuration knows one number for both. That of its pooler stays as it is: 0 as published.

    Parameters
    ----------
    model : a sequence classifier of transformers
    hidden : of hidden states, inside the encoder, in [0, 1); -1 as the model has it, which holds for all of them
    attention : of attention's probabilities
    head : before the linear layers of the head, where the model drops something

    Raises
    ------
    UserError : the model has no such dropout
    """
    prefix, pooler = f"{model.base_model_prefix}.", "pooler.dropout"
    places: dict[str, list[nn.Dropout]] = {"dropout": [], "attention_dropout": [], "head_dropout": []}
    for name, module in model.named_modules():
        if not isinstance(module, nn.Dropout) or name == pooler:
            continue
        inside = name.startswith(prefix)
        places["attention_dropout" if name.endswith(_ATTENTION) else "dropout" if inside else "head_dropout"].append(
            module
        )
    for setting, share in (("dropout", hidden), ("attention_dropout", attention), ("head_dropout", head)):
        if share == _OWN:
            continue
        if not places[setting]:
            raise UserError(
                "models.unknown-part",
                f"regularization.{setting} = {share}: the places where a {type(model).__name__} drops are not known",
                remedy="set it to -1, or choose a BERT, RoBERTa or DeBERTa",
            )
        for module in places[setting]:
            module.p = share


def has_dropout(model: torch.nn.Module) -> bool:
    """Whether a model drops anything in training: two passes over the same texts differ."""
    return any(module.p > 0 for module in model.modules() if isinstance(module, nn.Dropout))
