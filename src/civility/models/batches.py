"""Batches of tokens without padding, and their planning by a budget of tokens for scoring."""

from dataclasses import dataclass

import numpy as np
import torch

from civility.arrays import Ints, Rows
from civility.scoring.tokens import Tokens


@dataclass(frozen=True, eq=False)
class Batch:
    """The tokens of B texts, one text after the other."""

    ids: torch.Tensor  # int64 (S,), S tokens of all texts
    lengths: tuple[int, ...]  # (B,) tokens of each; they sum to S
    pad_id: int  # the id of padding

    def __len__(self) -> int:
        return len(self.lengths)

    def to(self, device: torch.device) -> "Batch":
        """Return the same batch on a device."""
        return Batch(self.ids.to(device, non_blocking=True), self.lengths, self.pad_id)

    def padded(self, *, left: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """Return input ids and attention mask, int64 (B, T), padded on the right, or ``left``, to the longest text."""
        device = self.ids.device
        lengths = torch.tensor(self.lengths, device=device)
        in_text = torch.arange(max(self.lengths), device=device) < lengths[:, None]
        if left:
            in_text = in_text.flip(1)
        ids = torch.full(in_text.shape, self.pad_id, dtype=torch.int64, device=device)
        return ids.masked_scatter_(in_text, self.ids), in_text.long()


def gather(tokens: Tokens, rows: Rows) -> Batch:
    """Return the batch of the given rows, (B,) and at least one, in their order."""
    lengths = tokens.offsets[rows + 1] - tokens.offsets[rows]
    # One gather for the whole batch: the tokens of a row are adjacent, from its offset on.
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ids = tokens.ids[np.repeat(tokens.offsets[rows], lengths) + within]
    return Batch(torch.from_numpy(ids.astype(np.int64)), tuple(lengths.tolist()), tokens.pad_id)


def batches_by_budget(lengths: Ints, tokens_per_batch: int) -> list[Rows]:
    """Plan batches for scoring: texts of similar length together, each row exactly once.

    A batch has at most ``tokens_per_batch``, padding included; a single longer text is a batch of its own. The longest
    come first, so that memory runs out at once or not at all.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        size = max(1, int(tokens_per_batch // max(1, lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches
