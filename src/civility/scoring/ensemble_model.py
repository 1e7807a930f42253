"""The ensemble kind: several classifiers of other kinds, averaged and used as one.

Each member scores with its own tokens, maximum length and calibration.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from civility.arrays import Floats, Logits
from civility.documents.classifier_file import (
    BY,
    CLASSIFIER_FILE,
    ENSEMBLE_FILE,
    LARGEST_WEIGHT,
    SMALLEST_WEIGHT,
    By,
    EnsembleFile,
    EnsembleMember,
    Kind,
    RankKnots,
    sha256_of_folder,
)
from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.metrics.ranking import RankMap
from civility.scoring.classifier import Classifier
from civility.scoring.kinds import OnScored
from civility.storage.atomic_files import real_path
from civility.storage.parsing import read_json, text_table

_MEMBERS = "members"
_LEAST, _MOST = 1e-30, 1 - 1e-12  # closer to 0 or 1, the logits of scores are infinite in float32, or equal in float64


class Ensemble:
    """Several classifiers whose average is the logits of one; give it to `Classifier`.

    Parameters
    ----------
    members : two or more with the same label names, in any order; no ensembles
    weights : (M,) above 0, of any sum; default: equal
    by : what is averaged: calibrated "scores"; "logits" before calibration, for members of one kind; or "ranks"
    ranks : for "ranks": by member, one map per label, in the order of the first member's labels
    names : (M,) of the members, for their folders; default: their numbers
    links : (M,) the folder of a member that `save` refers to; None: `save` copies the member

    Raises
    ------
    ValueError : the members, weights or ranks do not match
    """

    kind: Kind = "ensemble"

    def __init__(
        self,
        members: Sequence[Classifier],
        weights: Sequence[float] | None = None,
        by: By = "scores",
        *,
        ranks: Sequence[Sequence[RankMap]] = (),
        names: Sequence[str] = (),
        links: Sequence[Path | None] = (),
    ) -> None:
        self.members = tuple(members)
        self.by: By = by
        self.weights = _normalised(weights or [1.0] * len(members))
        self.ranks = tuple(tuple(maps) for maps in ranks)
        self.names = tuple(names) or tuple(f"member {number}" for number in range(1, len(members) + 1))
        self.links = tuple(links) or (None,) * len(members)
        if len(self.members) < 2 or not len(self.members) == len(self.weights) == len(self.names) == len(self.links):
            raise ValueError("an ensemble has at least two members, each with a weight, a name and a link")
        self.labels = self.members[0].labels
        if any(sorted(member.labels) != sorted(self.labels) for member in self.members):
            raise ValueError("the members have different labels")
        if any(member.kind == "ensemble" for member in self.members):
            raise ValueError("a member is an ensemble: pass its members instead")
        if by not in BY:
            raise ValueError(f"by is {by!r}, expected one of {', '.join(BY)}")
        if by == "ranks" and [len(maps) for maps in self.ranks] != [len(self.labels)] * len(self.members):
            raise ValueError("ranks must hold one map for each member and label")

    @property
    def max_length(self) -> int:
        """Tokens to which the member that reads most truncates; 0 if a member reads whole comments."""
        lengths = [member.max_length for member in self.members]
        return max(lengths) if all(lengths) else 0

    def logits(self, texts: Sequence[str], tokens_per_batch: int, on_scored: OnScored | None) -> Logits:
        """Return the logits of the average, (N, L)."""
        return self.average(self.logits_of_members(texts, tokens_per_batch, on_scored))

    def logits_of_members(
        self, texts: Sequence[str], tokens_per_batch: int = 8192, on_scored: OnScored | None = None
    ) -> list[Logits]:
        """Return the logits of each member before calibration, (N, L), columns in the order of `labels`."""
        on_member_scored = _shared_progress(len(self.members), on_scored)
        found = []
        for member in self.members:
            logits = member.logits(texts, tokens_per_batch=tokens_per_batch, on_scored=on_member_scored)
            found.append(logits[:, [member.labels.index(label) for label in self.labels]])
        return found

    def average(self, logits: Sequence[Logits]) -> Logits:
        """Return the logits of the average, (N, L), from those of `logits_of_members`."""
        parts = [self._averaged(position, own) for position, own in enumerate(logits)]
        mean = np.asarray(sum(weight * part for weight, part in zip(self.weights, parts, strict=True)))
        if self.by == "logits":
            return mean.astype(np.float32)
        share = np.clip(mean, _LEAST, _MOST)
        return np.asarray(np.log(share) - np.log1p(-share)).astype(np.float32)

    def _averaged(self, position: int, logits: Logits) -> Floats:
        """Return what one member contributes to the average, (N, L)."""
        if self.by == "logits":
            return logits.astype(np.float64)
        maps: Sequence[RankMap | LabelCalibration] = self.ranks[position] if self.by == "ranks" else ()
        maps = maps or [self.members[position].calibration[label] for label in self.labels]
        return np.stack([one.apply(column) for one, column in zip(maps, logits.T, strict=True)], axis=1)

    def fold_affine(self, scale: Floats, shift: Floats) -> bool:
        """Return False: the calibration stays in ``civility.json``, since no other program scores this folder."""
        return False

    def save(self, folder: Path) -> None:
        """Write ``ensemble.json``, and each member that is not a link as a classifier folder of its own."""
        entries = []
        for position, (name, member, link) in enumerate(zip(self.names, self.members, self.links, strict=True)):
            place = folder / _MEMBERS / str(position + 1) if link is None else link
            if link is None:
                place.mkdir(parents=True)
                member.save(place, f"# {name}\n\nA member of an ensemble.\n")
            maps = self.ranks[position] if self.ranks else ()
            entries.append(
                EnsembleMember(
                    name=name,
                    weight=self.weights[position],
                    folder=Path(os.path.relpath(real_path(place), real_path(folder))).as_posix(),
                    is_link=link is not None,
                    digest=digest_of(place),
                    ranks=tuple(
                        RankKnots(logits=tuple(one.logits.tolist()), ranks=tuple(one.ranks.tolist())) for one in maps
                    ),
                )
            )
        file = EnsembleFile(by=self.by, labels=self.labels, members=tuple(entries))
        (folder / ENSEMBLE_FILE).write_text(file.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: str, max_length: int = 0) -> "Ensemble":
        """Load an ensemble and its members, each with its own maximum length.

        Raises
        ------
        UserError : a file is damaged, or a member is missing, damaged or has changed
        """
        path = Path(folder) / ENSEMBLE_FILE
        file = EnsembleFile.read(path)
        try:
            places = [_checked_place(path, member) for member in file.members]
            found = cls(
                [Classifier.load(place) for place in places],
                [member.weight for member in file.members],
                file.by,
                ranks=[[RankMap(np.array(one.logits), np.array(one.ranks)) for one in m.ranks] for m in file.members],
                names=[member.name for member in file.members],
                links=[place if member.is_link else None for place, member in zip(places, file.members, strict=True)],
            )
            if file.labels != found.labels:
                own, first = ", ".join(file.labels), ", ".join(found.labels)
                raise ValueError(f"the labels are {own}, those of member 1 are {first}")
            return found
        except (OSError, ValueError) as error:
            raise UserError("scoring.damaged", f"damaged: {error}", where=path, remedy=file.REMEDY) from error


def _checked_place(path: Path, member: EnsembleMember) -> Path:
    """Return the folder of a member, which exists, is not an ensemble, and has not changed."""
    place = real_path(real_path(path.parent) / member.folder)
    found, remedy, code = "", EnsembleFile.REMEDY, "scoring.damaged"
    if not place.is_dir():
        found = "is missing"
        remedy = "put it back, or make the ensemble again without --link" if member.is_link else remedy
    elif (place / ENSEMBLE_FILE).is_file():
        found = "is an ensemble itself"
    elif member.digest and member.digest != digest_of(place):
        code, found = "scoring.changed-member", "has changed since the ensemble was fitted to its scores"
        remedy = f"make the ensemble again{'; without --link it keeps copies' if member.is_link else ''}"
    if found:
        raise UserError(code, f"its member {member.name} in {place} {found}", where=path, remedy=remedy)
    return place


def digest_of(folder: Path) -> str:
    """Return a sha256 of what the scores of a classifier folder depend on: not of thresholds and the model card.

    Digests that are recorded in the folder stand for its files, since loading the folder compares them.
    """
    path = folder / CLASSIFIER_FILE
    content = read_json(path) if path.is_file() else {}
    recorded = text_table({"files": {}, **content}, "files") or sha256_of_folder(folder)
    state = hashlib.sha256()
    for name, digest in sorted(recorded.items()):
        state.update(name.encode() + bytes.fromhex(digest.removeprefix("sha256:")))
    if path.is_file():
        state.update(json.dumps(content.get("calibration", {})).encode())
    return f"sha256:{state.hexdigest()}"


def _normalised(weights: Sequence[float]) -> tuple[float, ...]:
    if not all(SMALLEST_WEIGHT <= weight <= LARGEST_WEIGHT for weight in weights):
        raise ValueError(f"a weight is outside {SMALLEST_WEIGHT:g} to {LARGEST_WEIGHT:g}")
    return tuple(float(weight) / sum(weights) for weight in weights)


def _shared_progress(num: int, on_scored: OnScored | None) -> OnScored | None:
    """Return a callback for each of ``num`` members, so that ``on_scored`` counts every text once."""
    if on_scored is None:
        return None
    scored = reported = 0

    def count(number: int) -> None:
        nonlocal scored, reported
        scored += number
        new = scored // num - reported
        reported += new
        if new:
            on_scored(new)

    return count
