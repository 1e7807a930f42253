"""The size of a model and the memory for training it, estimated from its configuration without loading weights."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch

from civility.errors import UserError
from civility.plain_text import shortened

# Of a float32, the type of the weights. Autocast saves little, so this is an upper bound for all precisions.
_BYTES = 4
_MOMENTS = 2  # numbers that AdamW and schedule-free AdamW keep for a parameter, besides its weight and gradient
_LIBRARIES = 540_000_000  # measured bytes of Python, torch, transformers and the comments; less than half of it varies


@dataclass(frozen=True)
class ModelSize:
    """The shape of a model, as far as it determines the memory that it takes."""

    num_parameters: int
    num_embedding: int  # parameters of the token embedding
    vocabulary: int  # rows of the token embedding
    hidden: int  # width of a token between layers
    intermediate: int  # width of a token inside the feed-forward part
    layers: int
    heads: int  # of a layer
    num_distances: int  # relative positions with embeddings of their own, twice DeBERTa's span; 0 for other models
    num_idle: int = 0  # parameters that are not trained: frozen ones, and unused rows of the token embedding
    num_frozen_layers: int = 0
    optimizer: str = "adamw"  # as the recipe names it

    @classmethod
    def of(cls, config: Any, num_labels: int) -> "ModelSize":
        """Return the size of the classifier that a configuration of transformers describes.

        Raises a UserError if transformers cannot build it, or it has no table of token embeddings.
        """
        from transformers import AutoModelForSequenceClassification

        config = copy.deepcopy(config)
        config.num_labels = num_labels
        try:
            with torch.device("meta"):  # shapes only: nothing is allocated
                model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
            embedding = model.get_input_embeddings().weight
        except Exception as error:  # a model may raise anything
            raise UserError(
                "models.unsupported",
                f"a {config.model_type} model cannot be trained here: {type(error).__name__}: "
                f"{shortened(str(error), 200)}",
                remedy="choose an encoder with a table of token embeddings, such as BERT, RoBERTa or DeBERTa",
            ) from error
        config = config.get_text_config()
        names = ("position_buckets", "max_relative_positions", "max_position_embeddings")
        spans = (int(getattr(config, name, 0) or 0) for name in names)
        span = next((one for one in spans if one >= 1), 0)
        return cls(
            num_parameters=sum(parameter.numel() for parameter in model.parameters()),
            num_embedding=embedding.numel(),
            vocabulary=embedding.shape[0],
            hidden=config.hidden_size,
            intermediate=getattr(config, "intermediate_size", 4 * config.hidden_size),
            layers=config.num_hidden_layers,
            heads=getattr(config, "num_attention_heads", None) or 1,  # FNet has none
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
        """Return the size with only some parameters trained, by a certain optimizer.

        Parameters
        ----------
        rows_in_use : trained rows of the token embedding; None: all of them
        freezes_embeddings : whether the token embedding is frozen, as it always is with ``num_frozen_layers``
        num_frozen_layers : lowest layers that are frozen
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
        """Bytes of the optimizer besides weights and gradients."""
        num_layers = self.layers - self.num_frozen_layers
        if self.optimizer == "adafactor":  # means of rows and columns of matrices; of biases and norms all
            return _BYTES * (self.vocabulary + num_layers * (19 * self.hidden + 3 * self.intermediate))
        moments = _MOMENTS * self.num_trained
        if self.optimizer == "muon":  # one of each matrix in the layers
            moments -= num_layers * self._of_layer
        return _BYTES * moments

    @property
    def state_bytes(self) -> int:
        """Bytes for any batch: float32 weights, and gradients and moments of the trained ones."""
        return 2 * _BYTES * self.num_trained + self.moment_bytes + _BYTES * self.num_idle

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes of a checkpoint, and of the copy from which it is written: trained weights and moments."""
        return _BYTES * self.num_trained + self.moment_bytes

    def activation_bytes(self, num_texts: int, length: int, *, packed: bool = False, checkpointed: bool = False) -> int:
        """Estimate the bytes that a forward pass keeps for the backward pass.

        A layer keeps ten vectors of the hidden width and two of the intermediate width for each token, and three
        numbers for each pair of tokens and head (probabilities before and after dropout, and the scores). DeBERTa keeps
        four more numbers for each token, head and distance, however short the text, and about one for each pair.
        (Counted as in Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", section
        4.1, in float32, and checked against the tensors that autograd saved.)

        Parameters
        ----------
        num_texts : in the batch
        length : tokens of each text
        packed : with our own attention, which keeps a probability and a byte for dropout of each pair
        checkpointed : with layers computed again: they keep only their inputs, except one at a time
        """
        token = 10 * self.hidden + 2 * self.intermediate
        per_head = 4 * self.num_distances + 1.25 * length if self.num_distances else 3 * length
        if packed:
            per_head = 1.25 * length
        layer = num_texts * length * (token + self.heads * per_head)
        if checkpointed:
            return int(_BYTES * (layer + self.layers * num_texts * length * self.hidden))
        return int(_BYTES * self.layers * layer)

    def training_bytes(self, micro_batch: int, *, shared: bool) -> int:
        """Estimate the bytes of a process that trains the model.

        Parameters
        ----------
        micro_batch : bytes of the largest, see `micro_batch_bytes`
        shared : whether there are several processes, which exchange gradients in buffers
        """
        buffers = _BYTES * self.num_trained if shared else 0
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
        """Estimate the bytes of a micro-batch besides weights, gradients and moments.

        Parameters
        ----------
        num_texts, length : of the largest micro-batch
        half : with autocast to 16 bits, which keeps a copy of the weights that are multiplied
        packed, checkpointed : as of `activation_bytes`
        passes : forward passes of the micro-batch that are kept at once
        """
        casts = 2 * (self.num_parameters - self.num_embedding) if half else 0
        kept = passes * self.activation_bytes(num_texts, length, packed=packed, checkpointed=checkpointed)
        return casts + kept
