"""The scores that a report was measured on, beside it: what lets two reports be compared comment by comment."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from civility.data.dataset import Float32Array
from civility.data.files import write_file
from civility.errors import UserError
from civility.report.scored import Scored

_ID, _TARGET, _SCORE, _HONEST = "id", "target:", "score:", "honest-score:"
_DIGEST, _REPORT = b"civility.comments", b"civility.report"


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a report's comments, without their texts.

    Parameters
    ----------
    digest : of the comments, `Dataset.comments_digest`
    ids : (N,)
    labels : (L,)
    targets, scores : (N, L) float32
    honest_scores : (N, L) the same by calibrations that were fitted on other comments; ``scores`` themselves where
        that is so anyway
    """

    digest: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    targets: Float32Array
    scores: Float32Array
    honest_scores: Float32Array


def write_scores_of(scored: Scored, path: Path, report: str) -> None:
    """Write ids, targets and scores as Parquet.

    Parameters
    ----------
    scored : what was measured
    path : of the file
    report : the JSON of the report, so that the two cannot be taken for a pair when they are none

    Raises
    ------
    UserError : no permission, no space
    """
    dataset = scored.dataset
    columns = {_ID: pa.array(dataset.ids, pa.string())}
    columns |= {_TARGET + label: pa.array(dataset.targets[:, i]) for i, label in enumerate(dataset.labels)}
    columns |= {_SCORE + label: pa.array(scored.scores[:, i]) for i, label in enumerate(dataset.labels)}
    honest = scored.out_of_fold
    if honest is not None:
        columns |= {_HONEST + label: pa.array(honest[:, i]) for i, label in enumerate(dataset.labels)}
    table = pa.table(columns).replace_schema_metadata(
        {_DIGEST: dataset.comments_digest.encode(), _REPORT: _sha256(report).encode()}
    )
    with write_file(path, "wb") as file:
        pq.write_table(table, file)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_scores_of(path: Path, report: str) -> Scores:
    """Read what `write_scores_of` wrote beside the JSON of a report.

    Raises
    ------
    UserError : it is not there, damaged, or not of that report; a score outside [0, 1], or a target that is neither
        in [0, 1] nor unknown
    """
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
        digest, own = ((table.schema.metadata or {})[key].decode() for key in (_DIGEST, _REPORT))
        labels = tuple(name.removeprefix(_SCORE) for name in table.column_names if name.startswith(_SCORE))
        has_honest = any(name.startswith(_HONEST) for name in table.column_names)
        targets, scores, honest = (
            np.stack([table[kind + label].to_numpy() for label in labels], axis=1).astype(np.float32)
            for kind in (_TARGET, _SCORE, _HONEST if has_honest else _SCORE)
        )
        ids = tuple(table[_ID].to_pylist())
        if own != _sha256(report):
            raise UserError(f"{path}: is not of the report beside it", "evaluate again: they are written together")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no scores beside the report", "evaluate again: they are written with it") from error
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: damaged: {error}", "evaluate again") from error
    of_kind = {_TARGET: targets, _SCORE: scores, _HONEST if has_honest else _SCORE: honest}
    for kind, values in of_kind.items():
        _check_range(values, [kind + label for label in labels], path, may_be_unknown=kind == _TARGET)
    return Scores(digest, ids, labels, targets, scores, honest)


def _check_range(values: Float32Array, columns: Sequence[str], path: Path, *, may_be_unknown: bool) -> None:
    """Raise a UserError that names the first row with a value outside [0, 1]; NaN may stand for an unknown target."""
    wrong = ~((values >= 0) & (values <= 1))
    if may_be_unknown:
        wrong &= ~np.isnan(values)
    if not wrong.any():
        return
    row, column = (int(place) for place in np.argwhere(wrong)[0])
    expected = "a target from 0 to 1, or empty where it is unknown" if may_be_unknown else "a score from 0 to 1"
    raise UserError(
        f"{path}: row {row + 1}, column {columns[column]!r}: {values[row, column]:g}, expected {expected}",
        "evaluate again: civility writes no such value, so the file was changed or its classifier gave it",
    )
