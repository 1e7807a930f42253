"""The vocabulary in use: training only the rows of the token embedding that the comments use.

mDeBERTa has 251,000 rows, 69 % of all its parameters; comments of one language use a tenth to a fifth of them. The
gradient of an unused row is exactly zero, so AdamW only decays it, at every step by ``1 - learning rate * weight
decay`` (Loshchilov & Hutter 2019, algorithm 2): one number for all unused rows.
"""

import hashlib
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from civility.arrays import Ints
from civility.scoring.tokens import Tokens


class EmbeddingInUse(nn.Module):
    """The U used rows of a token embedding of V rows; takes the same ids.

    ``used``, (U,) ascending, are the only ids that will occur. The padding id is added if it is missing.
    """

    def __init__(self, whole: nn.Embedding, used: Ints) -> None:
        super().__init__()
        self._padding_id = whole.padding_idx
        if self._padding_id is not None:  # its place would be -1, which is another row
            used = np.union1d(used, [self._padding_id])
        rows = torch.from_numpy(used).to(whole.weight.device)
        places = torch.full((whole.num_embeddings,), -1, dtype=torch.int64, device=whole.weight.device)
        places[rows] = torch.arange(len(rows), device=rows.device)
        self.weight = nn.Parameter(whole.weight.detach()[rows].clone())
        self.register_buffer("_places", places, persistent=False)
        self._padding = None if self._padding_id is None else int(places[self._padding_id])
        self._rows = rows
        # Kept in main memory, in float16 if that loses nothing: published weights often are.
        kept = whole.weight.detach().cpu()
        self._whole = kept.half() if torch.equal(kept.half().float(), kept) else kept
        self._decay = 1.0

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of ids, (…, hidden)."""
        places: torch.Tensor = self._places  # type: ignore[assignment]  # a buffer
        return functional.embedding(places[ids], self.weight, self._padding)

    @property
    def num_embeddings(self) -> int:
        """Rows of the whole embedding, V."""
        return len(self._whole)

    @property
    def num_used(self) -> int:
        """Used rows, U."""
        return len(self._rows)

    @property
    def digest(self) -> str:
        """SHA-256 of the whole matrix before training, as ``sha256:<64 hex digits>``."""
        return f"sha256:{hashlib.sha256(self._whole.contiguous().numpy().data).hexdigest()}"

    def decay(self, factor: float) -> None:
        """Decay the unused rows by the factor by which an optimizer step has decayed the used ones."""
        self._decay *= factor

    def whole(self) -> nn.Embedding:
        """Return the embedding as if all of it had been trained, float32 (V, hidden), on the same device."""
        matrix = self._whole.to(torch.float32, copy=True).mul_(self._decay)
        matrix[self._rows.cpu()] = self.weight.detach().cpu()
        embedding = nn.Embedding(len(matrix), matrix.shape[1], padding_idx=self._padding_id, device="meta")
        embedding.weight = nn.Parameter(matrix.to(self.weight.device))
        return embedding

    # Part of the state dictionary, and so of every checkpoint and every average of weights: an average of decayed rows
    # is the rows times the average of the decays. A tensor, since safetensors stores nothing else.
    def get_extra_state(self) -> torch.Tensor:
        """Return the product of all decays, float64."""
        return torch.tensor([self._decay], dtype=torch.float64)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Set the product of all decays."""
        self._decay = float(state)


def num_rows(model: Any) -> int:
    """Return the rows of a model's token embedding, including unused ones."""
    embedding = model.get_input_embeddings()
    return embedding.num_embeddings if isinstance(embedding, EmbeddingInUse) else len(embedding.weight)


def num_parameters(model: Any) -> int:
    """Return how many parameters a model has, including unused rows of its token embedding."""
    embedding = model.get_input_embeddings()
    missing = int(num_rows(model) * embedding.weight.shape[1] - embedding.weight.numel())
    return sum(int(parameter.numel()) for parameter in model.parameters()) + missing


def ids_in_use(*tokens: Tokens) -> Ints:
    """Return the ids that occur in some tokens, (U,) ascending, including the padding id."""
    highest = max(max(one.pad_id, int(one.ids.max(initial=0))) for one in tokens)
    used = np.zeros(highest + 1, dtype=np.bool_)  # a flag for each id: sorting a hundred million ids takes far longer
    for one in tokens:
        used[one.ids] = True
        used[one.pad_id] = True
    return np.flatnonzero(used)


def why_whole(model: Any) -> str:
    """Return why the whole token embedding of a model has to be trained; empty if it does not have to be."""
    embedding = model.get_input_embeddings()
    if type(embedding) is not nn.Embedding:
        return f"the token embedding is a {type(embedding).__name__}"
    if embedding.max_norm is not None or embedding.sparse or embedding.scale_grad_by_freq:
        return "the token embedding updates its rows in a way of its own"
    if not embedding.weight.requires_grad:
        return "the token embedding is frozen"
    if sum(parameter is embedding.weight for _, parameter in model.named_parameters(remove_duplicate=False)) > 1:
        return "the token embedding is tied to another layer"
    return ""


def keep_in_use(model: Any, used: Ints) -> EmbeddingInUse:
    """Replace a model's token embedding by its used rows and return them; call it before building the optimizer."""
    embedding = EmbeddingInUse(model.get_input_embeddings(), used)
    model.set_input_embeddings(embedding)
    return embedding


def give_back_whole(model: Any) -> None:
    """Restore the whole token embedding, if only the used rows were trained."""
    embedding = model.get_input_embeddings()
    if isinstance(embedding, EmbeddingInUse):
        model.set_input_embeddings(embedding.whole())
