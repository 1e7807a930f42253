"""The forward pass of a classifier without padding, over the texts of a batch one after the other.

The modules, their weights and their names are those of transformers; only the code that calls them differs. Linear
layers work on all tokens at once, attention on each text by itself, and the last layer only on the first token of each
text, since the head reads no other. Up to rounding, the logits are those of transformers; dropout draws other numbers.

Knows the modules of transformers by their attributes; `civility.models.forward_paths` tests the result.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from civility.models.attention import attend, attend_first, drop
from civility.models.batches import Batch

Positions = tuple[torch.Tensor | None, torch.Tensor | None]
"""What queries and keys are multiplied with for each distance, (H, R, D) each; see `attend`."""


@dataclass(frozen=True)
class Family:
    """The names of the parts of a family of models.

    Parameters
    ----------
    body : attribute of the encoder
    projections : attributes of the projections to query, key and value
    head : takes the classifier and the first tokens, (B, 1, hidden), to logits (B, L)
    """

    body: str
    projections: tuple[str, str, str]
    head: Callable[[Any, torch.Tensor], torch.Tensor]


_QKV = ("query", "key", "value")
FAMILIES = {
    "bert": Family("bert", _QKV, lambda model, x: model.classifier(model.dropout(model.bert.pooler(x)))),
    "roberta": Family("roberta", _QKV, lambda model, x: model.classifier(x)),
    "xlm-roberta": Family("roberta", _QKV, lambda model, x: model.classifier(x)),
    "deberta-v2": Family(
        "deberta",
        ("query_proj", "key_proj", "value_proj"),
        lambda model, x: model.classifier(model.dropout(model.pooler(x))),
    ),
}
"""By ``model_type`` of the configuration."""


def why_not_packed(model: Any) -> str:
    """Return why a model cannot have a packed forward pass; empty if it can."""
    config = model.config
    if config.model_type not in FAMILIES:
        return f"the packed pass does not know models of type {config.model_type}"
    if getattr(config, "is_decoder", False):
        return "the model is a decoder"
    if config.model_type == "deberta-v2":
        if getattr(model.deberta.encoder, "conv", None) is not None:
            return "the model has a convolution between its layers"
        if not getattr(config, "relative_attention", False):
            return "the model has no relative attention"
        if model.deberta.z_steps > 1:
            return "the model runs its last layer several times"
    return ""


class PackedForward:
    """Computes the logits of a batch without padding.

    Parameters
    ----------
    model : a sequence classifier of transformers, of a type in `FAMILIES`
    checkpointing : compute the layers again in the backward pass instead of keeping their activations
    """

    name = "packed"

    def __init__(self, model: Any, *, checkpointing: bool = False) -> None:
        self._model = model
        self._family = FAMILIES[model.config.model_type]
        self._body = getattr(model, self._family.body)
        self._checkpointing = checkpointing

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the logits of a batch, (B, L)."""
        layers = self._body.encoder.layer
        first = torch.tensor((0, *batch.lengths[:-1])).cumsum(0).to(batch.ids.device)
        hidden = self._embed(batch, first)
        # Normalise the relative positions once, for all layers.
        relative = self._body.encoder.get_rel_embedding() if self._family.body == "deberta" else None
        for number, layer in enumerate(layers, start=1):
            arguments = (layer, hidden, batch.lengths, relative, first if number == len(layers) else None)
            if self._checkpointing and torch.is_grad_enabled():
                hidden = checkpoint(self._layer, *arguments, use_reentrant=False)
            else:
                hidden = self._layer(*arguments)
        return self._family.head(self._model, hidden[:, None])

    def undo(self) -> None:
        """Do nothing: the model was not changed."""

    def num_computed(self, batch: Batch) -> int:
        """Return the number of tokens that a pass computes."""
        return sum(batch.lengths)

    def _embed(self, batch: Batch, first: torch.Tensor) -> torch.Tensor:
        """Return the embedded tokens, (S, hidden)."""
        ids = batch.ids[None]
        hidden: torch.Tensor = self._body.embeddings(
            input_ids=ids, token_type_ids=torch.zeros_like(ids), position_ids=self._places(batch, first)[None]
        ).squeeze(0)
        return hidden

    def _places(self, batch: Batch, first: torch.Tensor) -> torch.Tensor:
        """Return the position id of each token in its text, (S,)."""
        counted = torch.ones_like(batch.ids)
        padding = -1
        if self._family.body == "roberta":
            # It skips padding tokens, which a comment may spell out, and begins after their position.
            padding = self._body.embeddings.padding_idx
            counted = (batch.ids != padding).long()
        numbers = counted.cumsum(0)
        before = (numbers - counted)[first]
        lengths = torch.tensor(batch.lengths, device=first.device)
        return (numbers - before.repeat_interleave(lengths)) * counted + padding

    def _layer(
        self,
        layer: Any,
        hidden: torch.Tensor,
        lengths: tuple[int, ...],
        relative: torch.Tensor | None,
        first: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the output of a layer, (S, hidden); with ``first``, (B,), only of these tokens."""
        after_attention, after_inner = layer.attention.output, layer.output
        context = self._attend(layer.attention.self, hidden, lengths, relative, first)
        if first is not None:
            hidden = hidden[first]
        attended = after_attention.LayerNorm(_drop(after_attention.dense(context), after_attention.dropout) + hidden)
        inner = layer.intermediate(attended)
        output: torch.Tensor = after_inner.LayerNorm(_drop(after_inner.dense(inner), after_inner.dropout) + attended)
        return output

    def _attend(
        self,
        attention: Any,
        hidden: torch.Tensor,
        lengths: tuple[int, ...],
        relative: torch.Tensor | None,
        first: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the output of attention, (S, hidden), or (B, hidden) of the first tokens."""
        size = attention.attention_head_size
        projections = [getattr(attention, name) for name in self._family.projections]
        sources = (hidden if first is None else hidden[first], hidden, hidden)
        query, key, value = (
            projection(source).unflatten(1, (-1, size)) for projection, source in zip(projections, sources, strict=True)
        )
        positions, scale = distances_of(attention, relative, max(lengths))
        context = (attend if first is None else attend_first)(
            query,
            key,
            value,
            positions,
            lengths,
            scale=scale,
            dropout=share_of(attention.dropout),
        )
        return context.flatten(1)


def share_of(dropout: Any) -> float:
    """Return the probability of a dropout module; 0 in evaluation mode."""
    return float(dropout.p) if dropout.training else 0.0


def _drop(tensor: torch.Tensor, dropout: Any) -> torch.Tensor:
    return drop(tensor, share_of(dropout))


def distances_of(attention: Any, relative: torch.Tensor | None, longest: int) -> tuple[Positions, float]:
    """Return what queries and keys are multiplied with for each distance, and the scale of the sum of all products.

    Parameters
    ----------
    attention : the module of a layer
    relative : as of `_positions`; None for a model without relative positions
    longest : tokens of the longest text
    """
    positions: Positions = (None, None) if relative is None else _positions(attention, relative, longest)
    num_products = 1 + sum(one is not None for one in positions)
    return positions, 1 / math.sqrt(attention.attention_head_size * num_products)


def _positions(attention: Any, relative: torch.Tensor, longest: int) -> Positions:
    """Return what a DeBERTa layer multiplies queries and keys with for each distance, ascending from ``1 - longest``.

    Parameters
    ----------
    attention : a ``DisentangledSelfAttention``
    relative : (2 span, hidden) embeddings of the distances; far distances share one
    longest : tokens of the longest text
    """
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    span, size = attention.pos_ebd_size, attention.attention_head_size
    # DeBERTa counts from the query back to the key: i - j.
    distances = torch.arange(longest - 1, -longest, -1, device=relative.device)
    if attention.position_buckets > 0:
        distances = make_log_bucket_position(distances, attention.position_buckets, attention.max_relative_positions)
    slots = (distances.long() + span).clamp(0, 2 * span - 1)
    lowest = int(slots.min())
    used = _drop(relative[lowest : int(slots.max()) + 1], attention.pos_dropout)
    shared = attention.share_att_key

    def project(kind: str, projection: Any) -> torch.Tensor | None:
        if kind not in attention.pos_att_type:
            return None
        projected: torch.Tensor = projection(used).unflatten(1, (-1, size))
        return projected[slots - lowest].transpose(0, 1).contiguous()

    return (
        project("c2p", attention.key_proj if shared else getattr(attention, "pos_key_proj", None)),
        project("p2c", attention.query_proj if shared else getattr(attention, "pos_query_proj", None)),
    )
