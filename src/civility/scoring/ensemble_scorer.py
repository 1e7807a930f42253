"""The ensemble kind: several classifiers of any other kinds, averaged, and used as one.

Each member scores with its own tokens, length and calibration; what is averaged is a matter of choice.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from civility.arrays import Float32s, Floats, Logits
from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.metrics.rank_map import RankMap
from civility.scoring.classifier import Classifier
from civility.scoring.scorer import OnScored
from civility.scoring.sidecar import SIDECAR, Kind, digests_of_deciding
from civility.storage.atomic_files import real_path
from civility.storage.parsing import entry, json_text, number, read_json, text_list, text_table, whole_number

By = Literal["scores", "logits", "ranks"]
BY: tuple[By, ...] = get_args(By)
MEMBERS, FILE = "members", "ensemble.json"
SCHEMA = 1
_REMEDY = "make the ensemble again, or copy its folder again"
_WEIGHTS, _MOST_MEMBERS = (1e-30, 1e9), 1_000
"""Of the weights of members: far apart enough for any use, and their sum is finite."""
_LEAST, _MOST = 1e-30, 1 - 1e-12
"""Scores beyond these have no finite logit in float32, or none that float64 tells apart."""


class Ensemble:
    """Several classifiers whose average is the logits of one; give it to `Classifier`.

    Parameters
    ----------
    members : two or more with the same label names, in any order; no ensembles
    weights : (M,) above 0; default: all alike. Their sum does not matter
    by : what is averaged: calibrated "scores"; "logits" before calibration, for members of one kind; or "ranks"
    ranks : by member, a map a label in the order of the ensemble's labels (those of the first member); for "ranks"
    names : (M,) of the members, for their folders; default: their numbers
    links : (M,) where a member stays, so that `save` refers to it; None: `save` copies it

    Raises
    ------
    ValueError : the members, weights or ranks do not go together
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
        self.names = tuple(names) or tuple(f"member {place}" for place in range(1, len(members) + 1))
        self.links = tuple(links) or (None,) * len(members)
        if len(self.members) < 2 or not len(self.members) == len(self.weights) == len(self.names) == len(self.links):
            raise ValueError("an ensemble has two members or more, each with its weight, name and link")
        self.labels = self.members[0].labels
        if any(sorted(member.labels) != sorted(self.labels) for member in self.members):
            raise ValueError("the members have other labels")
        if any(member.kind == "ensemble" for member in self.members):
            raise ValueError("a member is an ensemble itself: name its members")
        if by not in BY:
            raise ValueError(f"by {by!r}, expected one of {', '.join(BY)}")
        if by == "ranks" and [len(maps) for maps in self.ranks] != [len(self.labels)] * len(self.members):
            raise ValueError("ranks need a map for each member and label")

    @property
    def max_length(self) -> int:
        """Tokens at which the member that reads farthest cuts; 0 if one reads whole comments."""
        lengths = [member.max_length for member in self.members]
        return max(lengths) if all(lengths) else 0

    def logits(self, texts: Sequence[str], tokens_per_batch: int, on_scored: OnScored | None) -> Logits:
        """Return the logits of the average, (N, L)."""
        return self.average(self.logits_of_members(texts, tokens_per_batch, on_scored))

    def logits_of_members(
        self, texts: Sequence[str], tokens_per_batch: int = 8192, on_scored: OnScored | None = None
    ) -> list[Float32s]:
        """Return the logits of each member before calibration, (N, L), its columns in the order of our labels."""
        told = _shared_progress(len(self.members), on_scored)
        found = []
        for member in self.members:
            logits = member.logits(texts, tokens_per_batch=tokens_per_batch, on_scored=told)
            found.append(logits[:, [member.labels.index(label) for label in self.labels]])
        return found

    def average(self, logits: Sequence[Logits]) -> Float32s:
        """Return the logits, (N, L), of the average of what the members say: their logits, as `logits_of_members`."""
        parts = [self._averaged(place, own) for place, own in enumerate(logits)]
        mean = np.asarray(sum(weight * part for weight, part in zip(self.weights, parts, strict=True)))
        if self.by == "logits":
            return mean.astype(np.float32)
        share = np.clip(mean, _LEAST, _MOST)
        return np.asarray(np.log(share) - np.log1p(-share)).astype(np.float32)

    def _averaged(self, place: int, logits: Logits) -> Floats:
        """Return what of a member goes into the average, (N, L)."""
        if self.by == "logits":
            return logits.astype(np.float64)
        calibration = self.members[place].calibration
        maps: Sequence[RankMap | LabelCalibration] = [calibration[label] for label in self.labels]
        if self.by == "ranks":
            maps = self.ranks[place]
        return np.stack([one.apply(column) for one, column in zip(maps, logits.T, strict=True)], axis=1)

    def take_over(self, scale: Floats, shift: Floats) -> bool:
        """Take over nothing: no other program scores this folder, so the calibration may stay in ``civility.json``."""
        return False

    def save(self, folder: Path) -> None:
        """Write ``ensemble.json``, and the members that are not referred to, each as a classifier folder of its own."""
        entries: list[dict[str, Any]] = []
        for place, (name, member, link) in enumerate(zip(self.names, self.members, self.links, strict=True), start=1):
            own = f"{MEMBERS}/{place}"
            if link is None:
                (folder / own).mkdir(parents=True)
                member.save(folder / own, f"# {name}\n\nA member of an ensemble.\n")
            entries.append(
                {
                    "name": name,
                    "weight": self.weights[place - 1],
                    "folder": own if link is None else os.path.relpath(real_path(link), real_path(folder)),
                    "is_link": link is not None,
                    "digest": digest_of(folder / own if link is None else link),
                    "ranks": [one.to_json() for one in self.ranks[place - 1]] if self.ranks else [],
                }
            )
        content = {"schema": SCHEMA, "by": self.by, "labels": list(self.labels), "members": entries}
        (folder / FILE).write_text(json_text(content), encoding="utf-8")

    @classmethod
    def load(cls, folder: str, max_length: int = 0) -> "Ensemble":
        """Load an ensemble and its members, each of which has a maximum length of its own.

        Raises
        ------
        UserError : something is missing or damaged, a member that is referred to among it
        """
        path = Path(folder) / FILE
        content = read_json(path, _REMEDY)
        try:
            schema = whole_number(content.get("schema"), "schema", 1, 10**6)
            if schema != SCHEMA:
                raise UserError(
                    "scoring.todo",
                    f"schema {schema}, this version reads {SCHEMA}",
                    where=path,
                    remedy="upgrade civility",
                )
            members = entry(content, "members", list)
            whole_number(len(members), "members", 2, _MOST_MEMBERS)
            places = [_place(Path(folder), member, path) for member in members]
            by: Any = entry(content, "by", str)
            found = cls(
                [Classifier.load(place) for place in places],
                [number(member.get("weight"), "weight", *_WEIGHTS) for member in members],
                by,
                ranks=[[RankMap.from_json(one) for one in entry(member, "ranks", list)] for member in members],
                names=[entry(member, "name", str) for member in members],
                links=[
                    place if entry(member, "is_link", bool) else None
                    for place, member in zip(places, members, strict=True)
                ],
            )
            if (labels := text_list(content, "labels")) != found.labels:
                raise ValueError(f"labels: {', '.join(labels)}, and its first member has {', '.join(found.labels)}")
            return found
        except (OSError, ValueError) as error:
            raise UserError("scoring.todo", f"damaged: {error}", where=path, remedy=_REMEDY) from error


def _place(folder: Path, member: Any, path: Path) -> Path:
    """Return the folder of a member: there, not an ensemble itself, and as it was when the ensemble was made."""
    name, is_link = entry(member, "name", str), entry(member, "is_link", bool)
    place = real_path(real_path(folder) / entry(member, "folder", str))
    if not place.is_dir():
        raise UserError(
            "scoring.todo",
            f"its member {name} is not in {place}",
            where=path,
            remedy="put it back, or make the ensemble again without --link" if is_link else _REMEDY,
        )
    if (place / FILE).is_file():
        raise UserError(
            "scoring.todo", f"its member {name} in {place} is an ensemble itself", where=path, remedy=_REMEDY
        )
    digest = entry(member, "digest", str)
    if digest and digest != digest_of(place):
        raise UserError(
            "scoring.todo",
            f"its member {name} in {place} has changed since the ensemble was made: it was fitted to other scores",
            where=path,
            remedy="make the ensemble again" + ("; without --link it keeps copies" if is_link else ""),
        )
    return place


def digest_of(folder: Path) -> str:
    """Return a sha256 of what in a classifier folder decides its scores: all but thresholds and words for people.

    The recorded digests are taken for those of the files, since loading the folder compares them.
    """
    content = read_json(folder / SIDECAR) if (folder / SIDECAR).is_file() else None
    recorded = text_table({"files": {}, **(content or {})}, "files") or digests_of_deciding(folder)
    state = hashlib.sha256()
    for name, digest in sorted(recorded.items()):
        state.update(name.encode() + bytes.fromhex(digest.removeprefix("sha256:")))
    if content is not None:
        state.update(json.dumps(content.get("calibration", {})).encode())
    return f"sha256:{state.hexdigest()}"


def _normalised(weights: Sequence[float]) -> tuple[float, ...]:
    if not all(_WEIGHTS[0] <= weight <= _WEIGHTS[1] for weight in weights):
        raise ValueError("a weight is not above 0, or above 1e9")
    return tuple(float(weight) / sum(weights) for weight in weights)


def _shared_progress(num: int, on_scored: OnScored | None) -> OnScored | None:
    """Return what counts a text when all members have scored about so many: N in all, and not N times M."""
    if on_scored is None:
        return None
    scored = told = 0

    def count(number: int) -> None:
        nonlocal scored, told
        scored += number
        new = scored // num - told
        told += new
        if new:
            on_scored(new)

    return count
