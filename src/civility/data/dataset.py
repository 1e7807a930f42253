"""Dataset: comments on a named label axis. Does not know where they came from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from civility.arrays import Float32s, Targets

POSITIVE_FROM = 0.5
"""A target counts as positive from here up: the rule of Jigsaw 2019 for soft targets."""


def count_targets(targets: Targets) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return how many targets of each label are positive, (L,), and how many are known, (L,).

    Parameters
    ----------
    targets : (N, L) in [0, 1]; NaN where unknown
    """
    positive, known = targets >= POSITIVE_FROM, ~np.isnan(targets)  # NaN is not positive
    return positive.sum(axis=0, dtype=np.int64), known.sum(axis=0, dtype=np.int64)


def _no_groups() -> Float32s:
    return np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Comments, their targets on a label axis that goes by name, and the groups they mention.

    Parameters
    ----------
    texts : (N,) the comments
    targets : (N, L) float32 in [0, 1]; NaN where unknown; columns in the order of ``labels``
    ids : (N,) as in the source, or made up by the reader
    labels : (L,) names, unique
    groups : (N, G) float32 in [0, 1]; NaN where unknown
    group_names : (G,) names, unique

    Raises
    ------
    ValueError : the lengths differ, a name stands twice, or a target is outside [0, 1]
    """

    texts: tuple[str, ...]
    targets: Targets
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    groups: Float32s = field(default_factory=_no_groups)
    group_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        num = len(self.texts)
        if not self.group_names:
            object.__setattr__(self, "groups", np.zeros((num, 0), dtype=np.float32))
        shapes = {
            "targets": (self.targets.shape, (num, len(self.labels))),
            "ids": ((len(self.ids),), (num,)),
            "groups": (self.groups.shape, (num, len(self.group_names))),
        }
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise ValueError(f"{name} has shape {found}, expected {expected}")
        for name, names in (("labels", self.labels), ("group_names", self.group_names)):
            if len(set(names)) != len(names):
                raise ValueError(f"{name} holds a name twice: {', '.join(names)}")
        for name, values in (("targets", self.targets), ("groups", self.groups)):
            if values.dtype != np.float32:
                raise ValueError(f"{name} is {values.dtype}, expected float32")
            # NaN passes both comparisons: unknown is allowed.
            if np.any(values < 0) or np.any(values > 1):
                raise ValueError(f"{name} holds a value outside [0, 1]")

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> "Dataset":
        """Return the given rows, in the given order."""
        index = np.asarray(rows, dtype=np.int64)
        return Dataset(
            texts=tuple(self.texts[i] for i in index),
            targets=self.targets[index],
            ids=tuple(self.ids[i] for i in index),
            labels=self.labels,
            groups=self.groups[index],
            group_names=self.group_names,
        )

    def joined(self, other: "Dataset") -> "Dataset":
        """Return these comments and then the others; a ValueError if labels or groups have other names."""
        if (self.labels, self.group_names) != (other.labels, other.group_names):
            raise ValueError(
                f"labels and groups {other.labels}, {other.group_names}; expected {self.labels}, {self.group_names}"
            )
        return Dataset(
            texts=self.texts + other.texts,
            targets=np.concatenate([self.targets, other.targets]),
            ids=self.ids + other.ids,
            labels=self.labels,
            groups=np.concatenate([self.groups, other.groups]),
            group_names=self.group_names,
        )

    @cached_property
    def comments_digest(self) -> str:
        """A sha256 over labels, texts and targets alone: the same in any order of the comments, with any groups."""
        names = hashlib.sha256(
            "\n".join(f"{len(label)}:{label}" for label in self.labels).encode("utf-8", "surrogatepass")
        )
        known = np.where(np.isnan(self.targets), np.float32(-1), self.targets).astype("<f4")
        rows = (
            hashlib.blake2b(text.encode("utf-8", "surrogatepass") + row.tobytes(), digest_size=16).digest()
            for text, row in zip(self.texts, known, strict=True)
        )
        for row in sorted(rows):
            names.update(row)
        return f"sha256:{names.hexdigest()}"

    @cached_property
    def digest(self) -> str:
        """A sha256 over everything in the dataset, as ``sha256:<64 hex digits>``."""
        state = hashlib.sha256()
        for names in (self.labels, self.group_names, self.ids, self.texts):
            state.update(f"{len(names)}\n".encode())
            for name in names:
                data = name.encode("utf-8", "surrogatepass")
                state.update(f"{len(data)}:".encode())
                state.update(data)
        for values in (self.targets, self.groups):
            # One bit pattern for NaN, little-endian: the same digest on every machine.
            state.update(np.where(np.isnan(values), np.float32(-1), values).astype("<f4").tobytes())
        return f"sha256:{state.hexdigest()}"
