"""Which tokens are masked: a share of them, never a special one, and the same whatever the batch."""

import numpy as np
import pytest
import torch

from civility.engine.token_dropout import TokenDropout, uniform
from civility.models.batches import gather
from civility.models.tokens import Tokens

MASK, SPECIAL = 4, (0, 1, 2, 3, 4)


def tokens(num: int = 400) -> Tokens:
    rng = np.random.default_rng(0)
    texts = [[1, *rng.integers(3, 90, rng.integers(3, 60)), 2] for _ in range(num)]
    offsets = np.cumsum([0, *map(len, texts)])
    return Tokens(np.concatenate(texts).astype(np.int32), offsets.astype(np.int64), 0)


def masked(some: Tokens, rows: list[int], *, share: float = 0.2, seed: int = 7, epoch: int = 0) -> torch.Tensor:
    where = np.array(rows, dtype=np.int64)
    return TokenDropout(share, MASK, SPECIAL, seed).masked(gather(some, where), some, where, epoch).ids


def test_the_share_is_masked_and_special_tokens_are_not() -> None:
    some = tokens()
    rows = list(range(len(some)))
    before, after = gather(some, np.arange(len(some))).ids, masked(some, rows)
    assert after.dtype == torch.int64
    changed = before != after
    assert (after[changed] == MASK).all()
    special = torch.isin(before, torch.tensor(SPECIAL))
    assert special.sum() > 800
    assert not changed[special].any()
    share = changed[~special].double().mean().item()
    assert share == pytest.approx(0.2, abs=4 * (0.16 / int((~special).sum())) ** 0.5)


def test_a_comment_is_masked_alike_in_whatever_batch() -> None:
    some = tokens(30)
    alone = {row: masked(some, [row]) for row in range(30)}
    rows = [4, 29, 0, 11]
    together = masked(some, rows)
    assert torch.equal(together, torch.cat([alone[row] for row in rows]))


@pytest.mark.parametrize("changes", [{"seed": 8}, {"epoch": 1}])
def test_the_control_another_seed_and_another_epoch_mask_others(changes: dict[str, int]) -> None:
    some = tokens(30)
    assert not torch.equal(masked(some, [1, 2, 3]), masked(some, [1, 2, 3], **changes))


def test_the_numbers_are_those_of_splitmix() -> None:
    """Written out in Python's own integers, one after the other as the paper has it: a state that grows."""
    found = uniform(3, 5, np.arange(4) + 2**40)
    whole = 2**64
    first = uniform(3, 5, np.array([0]))[0]

    def mix(state: int) -> int:
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % whole
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % whole
        return state ^ (state >> 31)

    import hashlib

    state = int.from_bytes(hashlib.blake2b(b"tokens/3/5", digest_size=8).digest(), "little")
    assert first == (mix(state) >> 11) / 2**53
    assert found.tolist() == [(mix((state + (2**40 + i) * 0x9E3779B97F4A7C15) % whole) >> 11) / 2**53 for i in range(4)]


def test_the_numbers_are_uniform_and_neighbours_know_nothing_of_each_other() -> None:
    found = uniform(0, 0, np.arange(200_000))
    counts = np.histogram(found, bins=20, range=(0, 1))[0]
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 45, "chi squared with 19 degrees of freedom: 1 in 1,000 is above"
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 0.01
    other = uniform(0, 1, np.arange(200_000))
    assert abs(np.corrcoef(found, other)[0, 1]) < 0.01
