"""The scores that a report was measured on, beside it: what lets two reports be compared comment by comment."""

import hashlib
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
    UserError : it is not there, damaged, or not of that report
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
        if own != _sha256(report):
            raise UserError(f"{path}: is not of the report beside it", "evaluate again: they are written together")
        return Scores(digest, tuple(table[_ID].to_pylist()), labels, targets, scores, honest)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no scores beside the report", "evaluate again: they are written with it") from error
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: damaged: {error}", "evaluate again") from error
