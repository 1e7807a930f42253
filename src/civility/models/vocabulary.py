"""Training only the rows of the token embedding that the comments use, and giving the whole matrix back.

mDeBERTa has 251,000 rows, 69 % of all its parameters; comments of one language use a tenth to a fifth of them. The
gradient of a row that no comment uses is exactly zero, so that AdamW does nothing to it but decay it, at every step by
``1 - learning rate * weight decay`` (Loshchilov & Hutter 2019, algorithm 2): one number for all of them.
"""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from civility.scoring.tokens import Tokens


class EmbeddingInUse(nn.Module):
    """A token embedding of U rows that stands for one of V rows: it takes the same ids.

    Parameters
    ----------
    whole : the embedding that it stands for, V rows
    used : (U,) ids that will come, ascending; others must not. The padding id is added where it is missing
    """

    def __init__(self, whole: nn.Embedding, used: npt.NDArray[np.int64]) -> None:
        super().__init__()
        self._padding_id = whole.padding_idx
        if self._padding_id is not None:  # a negative place would mean another row
            used = np.union1d(used, [self._padding_id])
        rows = torch.from_numpy(used).to(whole.weight.device)
        places = torch.full((whole.num_embeddings,), -1, dtype=torch.int64, device=whole.weight.device)
        places[rows] = torch.arange(len(rows), device=rows.device)
        self.weight = nn.Parameter(whole.weight.detach()[rows].clone())
        self.register_buffer("_places", places, persistent=False)
        self._padding = None if self._padding_id is None else int(places[self._padding_id])
        self._rows = rows
        # Kept in main memory, and in half of it where that loses nothing: published weights are often float16.
        kept = whole.weight.detach().cpu()
        self._whole = kept.half() if torch.equal(kept.half().float(), kept) else kept
        self._decay = 1.0

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of ids, (…, hidden)."""
        places: torch.Tensor = self._places  # type: ignore[assignment]  # a buffer
        return functional.embedding(places[ids], self.weight, self._padding)

    @property
    def num_embeddings(self) -> int:
        """Rows of the embedding that it stands for, V: the ids are theirs."""
        return len(self._whole)

    @property
    def num_used(self) -> int:
        """Rows in use, U."""
        return len(self._rows)

    @property
    def digest(self) -> str:
        """A sha256 over the whole matrix as it was, as ``sha256:<64 hex digits>``."""
        return f"sha256:{hashlib.sha256(self._whole.contiguous().numpy().data).hexdigest()}"

    def decay(self, factor: float) -> None:
        """Decay the rows out of use, by what a step of the optimiser has decayed those in use."""
        self._decay *= factor

    def whole(self) -> nn.Embedding:
        """Return the embedding as training all of it would have left it, float32 (V, hidden), on the same device."""
        matrix = self._whole.to(torch.float32, copy=True).mul_(self._decay)
        matrix[self._rows.cpu()] = self.weight.detach().cpu()
        embedding = nn.Embedding(len(matrix), matrix.shape[1], padding_idx=self._padding_id, device="meta")
        embedding.weight = nn.Parameter(matrix.to(self.weight.device))
        return embedding

    # In the state dictionary, and so in every checkpoint and every average of weights: an average of decayed rows is
    # the rows times the average of the decays. A tensor, since safetensors stores nothing else.
    def get_extra_state(self) -> torch.Tensor:
        """Return the product of all decays, float64."""
        return torch.tensor([self._decay], dtype=torch.float64)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Take the product of all decays."""
        self._decay = float(state)


def num_rows(model: Any) -> int:
    """Return the rows of a model's token embedding, those out of use counted in."""
    embedding = model.get_input_embeddings()
    return embedding.num_embeddings if isinstance(embedding, EmbeddingInUse) else len(embedding.weight)


def num_parameters(model: Any) -> int:
    """Return how many parameters a model has, the rows out of use counted in."""
    embedding = model.get_input_embeddings()
    missing = int(num_rows(model) * embedding.weight.shape[1] - embedding.weight.numel())
    return sum(int(parameter.numel()) for parameter in model.parameters()) + missing


def ids_in_use(*tokens: Tokens) -> npt.NDArray[np.int64]:
    """Return the ids that some tokens use, (U,) ascending, the padding id among them."""
    highest = max(max(one.pad_id, int(one.ids.max(initial=0))) for one in tokens)
    used = np.zeros(highest + 1, dtype=np.bool_)  # a mark an id: sorting a hundred million ids takes far longer
    for one in tokens:
        used[one.ids] = True
        used[one.pad_id] = True
    return np.flatnonzero(used)


def why_whole(model: Any) -> str:
    """Return why the token embedding of a model has to be trained as a whole; nothing if it need not."""
    embedding = model.get_input_embeddings()
    if type(embedding) is not nn.Embedding:
        return f"the token embedding is a {type(embedding).__name__}"
    if embedding.max_norm is not None or embedding.sparse or embedding.scale_grad_by_freq:
        return "the token embedding changes its rows in a way of its own"
    if not embedding.weight.requires_grad:
        return "the token embedding is frozen"
    if sum(parameter is embedding.weight for _, parameter in model.named_parameters(remove_duplicate=False)) > 1:
        return "the token embedding is tied to another layer"
    return ""


def keep_in_use(model: Any, used: npt.NDArray[np.int64]) -> EmbeddingInUse:
    """Put an embedding of the rows in use in the place of a model's token embedding, and return it.

    Before an optimiser takes hold of the parameters.
    """
    embedding = EmbeddingInUse(model.get_input_embeddings(), used)
    model.set_input_embeddings(embedding)
    return embedding


def give_back_whole(model: Any) -> None:
    """Put the whole token embedding back, if only the rows in use were trained."""
    embedding = model.get_input_embeddings()
    if isinstance(embedding, EmbeddingInUse):
        model.set_input_embeddings(embedding.whole())
