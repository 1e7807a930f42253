"""How large a model is, and what training it takes of memory: arithmetic on its configuration, no weights loaded."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch

from civility.errors import UserError
from civility.plain_text import shortened

_BYTES = 4
"""Of a float32, in which weights are kept. Autocast saves less than it promises: an upper bound for all precisions."""

_MOMENTS = 2
"""Numbers that AdamW keeps of a parameter, beside its weight and its gradient; schedule-free AdamW as many."""

_LIBRARIES = 540_000_000
"""The interpreter, torch and transformers, the comments: measured, less than half of it varies."""


@dataclass(frozen=True)
class ModelSize:
    """What of a model's shape decides how much memory it takes.

    Parameters
    ----------
    num_parameters : all, token embeddings included
    num_embedding : of them in the token embedding
    vocabulary : rows of the token embedding
    hidden, intermediate : width of a token between layers, and inside the feed-forward part
    layers, heads : how many of each
    num_distances : relative positions that attention tells apart, twice DeBERTa's span; 0 for models without
    num_idle : parameters that are not trained: token embeddings out of use, frozen ones
    num_frozen_layers : layers that are not trained
    optimizer : as the recipe names it
    """

    num_parameters: int
    num_embedding: int
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    num_distances: int
    num_idle: int = 0
    num_frozen_layers: int = 0
    optimizer: str = "adamw"

    @classmethod
    def of(cls, config: Any, num_labels: int) -> "ModelSize":
        """Return the size of the classifier that a configuration of transformers describes.

        Raises
        ------
        UserError : transformers cannot build it, or it does not look its tokens up in a table as encoders do
        """
        from transformers import AutoModelForSequenceClassification

        config = copy.deepcopy(config)
        config.num_labels = num_labels
        try:
            with torch.device("meta"):  # shapes only: nothing is allocated
                model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
            embedding = model.get_input_embeddings().weight
        except Exception as error:  # transformers' models raise what they meet
            raise UserError(
                "models.unsupported",
                f"a {config.model_type} model cannot be trained here: {type(error).__name__}: "
                f"{shortened(str(error), 200)}",
                remedy="choose an encoder whose tokens are looked up in a table, as BERT, RoBERTa or DeBERTa",
            ) from error
        config = config.get_text_config()
        heads = getattr(config, "num_attention_heads", None) or 1  # FNet has none
        span = int(getattr(config, "position_buckets", 0) or 0)
        if span < 1:
            span = int(getattr(config, "max_relative_positions", 0) or 0)
        if span < 1:
            span = int(getattr(config, "max_position_embeddings", 0) or 0)
        return cls(
            num_parameters=sum(parameter.numel() for parameter in model.parameters()),
            num_embedding=embedding.numel(),
            vocabulary=embedding.shape[0],
            hidden=config.hidden_size,
            intermediate=getattr(config, "intermediate_size", 4 * config.hidden_size),
            layers=config.num_hidden_layers,
            heads=heads,
            num_distances=2 * span if getattr(config, "relative_attention", False) else 0,
        )

    def training(
        self,
        *,
        rows_in_use: int | None,
        freezes_embeddings: bool,
        num_frozen_layers: int,
        optimizer: str = "adamw",
    ) -> "ModelSize":
        """Return the same model with fewer parameters trained, and by a certain optimiser.

        Parameters
        ----------
        rows_in_use : of the token embedding, trained alone; None where all are
        freezes_embeddings : whether the token embedding is not trained at all
        num_frozen_layers : layers that are not trained, and with any of them the token embedding
        optimizer : "adamw", "adafactor", "muon" or "schedule_free"
        """
        num_frozen_layers = min(num_frozen_layers, self.layers)
        idle = num_frozen_layers * self._of_layer
        if freezes_embeddings or num_frozen_layers:
            idle += self.num_embedding
        elif rows_in_use is not None:
            idle += self.num_embedding - rows_in_use * (self.num_embedding // self.vocabulary)
        return replace(self, num_idle=idle, num_frozen_layers=num_frozen_layers, optimizer=optimizer)

    @property
    def _of_layer(self) -> int:
        """Parameters in the matrices of a layer."""
        return 4 * self.hidden**2 + 2 * self.hidden * self.intermediate

    @property
    def num_trained(self) -> int:
        """Parameters that are trained."""
        return self.num_parameters - self.num_idle

    @property
    def moment_bytes(self) -> int:
        """Bytes that the optimiser keeps beside weights and gradients."""
        num_layers = self.layers - self.num_frozen_layers
        if self.optimizer == "adafactor":  # means of rows and columns of matrices; of biases and norms all
            return _BYTES * (self.vocabulary + num_layers * (19 * self.hidden + 3 * self.intermediate))
        moments = _MOMENTS * self.num_trained
        if self.optimizer == "muon":  # one of each matrix in the layers
            moments -= num_layers * self._of_layer
        return _BYTES * moments

    @property
    def state_bytes(self) -> int:
        """Bytes that training takes whatever the batch: float32 weights, and of trained ones gradient and moments."""
        return 2 * _BYTES * self.num_trained + self.moment_bytes + _BYTES * self.num_idle

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes of a checkpoint, and of the copy that is written beside training: trained weights and moments."""
        return _BYTES * self.num_trained + self.moment_bytes

    def activation_bytes(self, num_texts: int, length: int, *, packed: bool = False, checkpointed: bool = False) -> int:
        """Return about how many bytes a forward pass keeps for the backward pass.

        A layer keeps of each token ten vectors of the hidden width and two of the intermediate one, and of each
        pair of tokens and head three numbers (probabilities, before and after dropout, and what they came from).
        DeBERTa keeps four numbers more for each token, head and distance, however short the text, and of pairs
        about one only. (The counting of Korthikanti et al. 2022, "Reducing Activation Recomputation in Large
        Transformer Models", section 4.1, in float32; its terms checked against the tensors that autograd saved.)

        Parameters
        ----------
        num_texts : in the batch
        length : tokens of each
        packed : by our own attention, which keeps of a pair its probability and a byte on whether it was dropped
        checkpointed : layers are computed again, and keep what comes into them; one at a time keeps all
        """
        token = 10 * self.hidden + 2 * self.intermediate
        per_head = 4 * self.num_distances + 1.25 * length if self.num_distances else 3 * length
        if packed:
            per_head = 1.25 * length
        layer = num_texts * length * (token + self.heads * per_head)
        if checkpointed:
            return int(_BYTES * (layer + self.layers * num_texts * length * self.hidden))
        return int(_BYTES * self.layers * layer)

    def training_bytes(
        self,
        num_texts: int,
        length: int,
        *,
        half: bool,
        shared: bool,
        packed: bool = False,
        checkpointed: bool = False,
        passes: int = 1,
    ) -> int:
        """Return about how many bytes a process takes that trains the model.

        Parameters
        ----------
        num_texts, length : of the largest micro-batch
        half : autocast to 16 bits, which keeps a copy of the weights that are multiplied
        shared : several processes, which exchange gradients in buffers of their own
        packed, checkpointed : see `activation_bytes`
        passes : of a micro-batch that are kept at once
        """
        buffers = _BYTES * self.num_trained if shared else 0
        micro_batch = self.micro_batch_bytes(
            num_texts, length, half=half, packed=packed, checkpointed=checkpointed, passes=passes
        )
        return self.state_bytes + buffers + micro_batch + _LIBRARIES

    def micro_batch_bytes(
        self,
        num_texts: int,
        length: int,
        *,
        half: bool,
        packed: bool = False,
        checkpointed: bool = False,
        passes: int = 1,
    ) -> int:
        """Return about how many bytes a micro-batch takes beside weights, gradients and moments.

        Parameters as of `training_bytes`.
        """
        casts = 2 * (self.num_parameters - self.num_embedding) if half else 0
        kept = passes * self.activation_bytes(num_texts, length, packed=packed, checkpointed=checkpointed)
        return casts + kept
