"""Dropout of a loaded model: other shares than it was published with, and several masks before its head.

Set on the modules, which both ways through the model read, and not in the configuration: what a classifier says of its
model stays true, and a run that goes on with it begins with the model's own shares.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

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
                "models.todo",
                f"regularization.{setting} = {share}: the places where a {type(model).__name__} drops are not known",
                remedy="set it to -1, or choose a BERT, RoBERTa or DeBERTa",
            )
        for module in places[setting]:
            module.p = share


def has_dropout(model: torch.nn.Module) -> bool:
    """Whether a model drops anything in training: two passes over the same texts differ."""
    return any(module.p > 0 for module in model.modules() if isinstance(module, nn.Dropout))


class MultiSampleDropout(nn.Dropout):
    """Dropout under several masks: in training, K rows come out for each that goes in, one mask after the other.

    Inoue 2019, "Multi-Sample Dropout for Accelerated Training and Better Generalization": all that comes before is
    computed once, and the loss is the mean of the losses under each mask. In evaluation nothing is done.

    Parameters
    ----------
    share : that a mask drops
    num_masks : K
    """

    def __init__(self, share: float, num_masks: int) -> None:
        super().__init__(share)
        self.num_masks = num_masks

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return (K * B, hidden) of (B, hidden) in training, and what came in evaluation."""
        if not self.training:
            return pooled
        return functional.dropout(pooled.repeat(self.num_masks, 1), self.p)


def why_one_mask(model: Any) -> str:
    """Return why a model cannot have several masks before its head; nothing if it can."""
    if not isinstance(getattr(model, "dropout", None), nn.Dropout) or not isinstance(
        getattr(model, "classifier", None), nn.Linear
    ):
        return f"the head of a {type(model).__name__} is not one dropout and one linear layer"
    return ""


def sample_masks(model: Any, num_masks: int) -> None:
    """Put several masks in the place of the dropout before a model's last layer; names of weights stay as they are.

    Raises
    ------
    UserError : the model's head is another one. RoBERTa's drops twice, with a layer in between, by one and the same
        module: its first masks would be multiplied by its second
    """
    reason = why_one_mask(model)
    if reason:
        raise UserError(
            "models.todo",
            f"regularization.multi_sample_dropout = {num_masks}: {reason}",
            remedy="set it to 1, or choose a BERT or DeBERTa",
        )
    model.dropout = MultiSampleDropout(model.dropout.p, num_masks).train(model.dropout.training)
