"""Token dropout: a share of the tokens of a comment is masked while it is trained on.

Which ones is a function of the seed, the epoch and the token's own place in the training comments, so neither
micro-batches nor processes nor resuming change it. Written down as a hash and not as a stream of random numbers: of a
stream all that comes before would have to be drawn.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from civility.engine.order import Rows
from civility.models.batches import Batch
from civility.models.tokens import Tokens

_BITS = 53
"""Of a hash that are looked at: as many as a float64 has digits."""


@dataclass(frozen=True)
class TokenDropout:
    """Puts the mask in the place of a share of the tokens.

    Parameters
    ----------
    share : of the tokens, in (0, 1)
    mask_id : that is put in their place
    special_ids : that are never replaced: marks of beginning and end, padding, unknown
    seed : of the run
    """

    share: float
    mask_id: int
    special_ids: tuple[int, ...]
    seed: int

    def masked(self, batch: Batch, tokens: Tokens, rows: Rows, epoch: int) -> Batch:
        """Return a batch with its tokens masked.

        Parameters
        ----------
        batch : of the rows, as `gather` returns it, on the processor
        tokens, rows : what it was gathered from
        epoch : 0-based
        """
        lengths = tokens.offsets[rows + 1] - tokens.offsets[rows]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        drawn = uniform(self.seed, epoch, np.repeat(tokens.offsets[rows], lengths) + within)
        ids = batch.ids.numpy()
        dropped = (drawn < self.share) & ~np.isin(ids, self.special_ids)
        return replace(batch, ids=torch.from_numpy(np.where(dropped, self.mask_id, ids)))


def uniform(seed: int, epoch: int, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each place, the same whenever it is asked for.

    The place-th number of SplitMix64 (Steele, Lea & Flood 2014, "Fast Splittable Pseudorandom Number Generators"; its
    mixing function is Stafford's variant 13), begun with a hash of seed and epoch.
    """
    folded = hashlib.blake2b(f"tokens/{seed}/{epoch}".encode(), digest_size=8).digest()
    with np.errstate(over="ignore"):  # modulo 2 ** 64 is what is meant
        mixed = np.uint64(int.from_bytes(folded, "little")) + places.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray((mixed >> np.uint64(64 - _BITS)).astype(np.float64) / 2.0**_BITS)
