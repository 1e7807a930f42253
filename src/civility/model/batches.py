"""Batches of tokens: padded to their longest text, and planned by a budget of tokens for scoring."""

import numpy as np
import numpy.typing as npt
import torch

from civility.model.tokens import Tokens

Rows = npt.NDArray[np.int64]


def pad(tokens: Tokens, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return input ids and attention mask of the given rows, padded to the longest of them.

    Parameters
    ----------
    tokens : of N texts
    rows : (B,) at least one

    Returns
    -------
    input_ids, attention_mask : int64 (B, T)
    """
    lengths = tokens.lengths[rows]
    in_text = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(in_text.shape, tokens.pad_id, dtype=np.int64)
    # One gather for the whole batch: each row's tokens lie side by side from its offset on.
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ids[in_text] = tokens.ids[np.repeat(tokens.offsets[rows], lengths) + within]
    return torch.from_numpy(ids), torch.from_numpy(in_text.astype(np.int64))


def batches_by_budget(lengths: npt.NDArray[np.int64], tokens_per_batch: int) -> list[Rows]:
    """Plan batches for scoring: texts of similar length together, each row exactly once, longest first.

    The longest come first so that a batch too large for the memory is found out at once.

    Parameters
    ----------
    lengths : (N,) tokens of each text
    tokens_per_batch : padded tokens that a batch may hold; a single longer text is a batch of its own
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        size = max(1, int(tokens_per_batch // max(1, lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches
