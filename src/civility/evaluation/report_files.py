"""The files of a report: JSON, page, Markdown and plots, and the scores it was measured on, as Parquet."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from civility.arrays import Float32s, Scores, Targets
from civility.documents.report import Report
from civility.errors import UserError
from civility.evaluation.scored_comments import Scored
from civility.plain_text import shortened
from civility.render.charts.svg_files import plots
from civility.render.html import to_html
from civility.render.markdown.report_markdown import to_markdown
from civility.run import ReportFiles
from civility.storage.atomic_files import explain_os_error, make_folder, remove_folder, write_file, write_folder


def write_report(report: Report, scored: Scored, folder: Path, source: Sequence[str] = ()) -> ReportFiles:
    """Write the files of a report into a folder, which is created if it does not exist.

    ``source`` are arguments that score the same comments again, as ``("runs/first", "--data", "test.csv")``, for the
    command on the page that chooses thresholds; empty if not known. Raises a UserError without permission or space.
    """
    make_folder(folder)
    files = ReportFiles(folder, report.name)
    text = report.to_json()
    report = Report.parse(text, files.json)  # draw what was written, in which lone surrogates are replaced
    with write_file(files.json) as file:
        file.write(text)
    with write_file(files.markdown) as file:
        file.write(to_markdown(report))
    with write_file(files.html) as file:
        file.write(to_html(report, source))
    write_scores_of(scored, files.scores, text)
    _write_plots(report, files.plots)
    return files


def _write_plots(report: Report, folder: Path) -> None:
    """Replace the folder of plots, so that none of an earlier report is left."""
    with explain_os_error(folder):
        if folder.is_dir():
            remove_folder(folder)
    with write_folder(folder) as new:
        for name, svg in plots(report).items():
            (new / f"{name}.svg").write_text(svg, encoding="utf-8")


_ID, _TARGET, _SCORE, _HONEST = "id", "target:", "score:", "honest-score:"
_DIGEST, _REPORT, _CONTENT = b"civility.comments", b"civility.report", b"civility.content"
_DIGESTS = (_DIGEST, _REPORT, _CONTENT)


@dataclass(frozen=True, eq=False)
class ScoresTable:
    """The scores of a report's comments, without their texts.

    Parameters
    ----------
    digest : of the comments, `Dataset.comments_digest`
    ids : (N,)
    labels : (L,)
    targets, scores : (N, L) float32
    honest_scores : (N, L) by calibrations fitted on other comments; equal to ``scores`` if those already are
    """

    digest: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    targets: Targets
    scores: Scores
    honest_scores: Scores

    def content_digest(self) -> str:
        """Return a sha256, 64 hex digits, of everything in it."""
        state = hashlib.sha256(json.dumps([self.digest, self.ids, self.labels]).encode())
        for values in (self.targets, self.scores, self.honest_scores):
            # One bit pattern for NaN, little-endian: the same digest on every machine.
            state.update(np.where(np.isnan(values), np.float32(np.nan), values).astype("<f4").tobytes())
        return state.hexdigest()


def write_scores_of(scored: Scored, path: Path, report: str) -> None:
    """Write ids, targets and scores as Parquet; the digest of the JSON of the report ties the two files together.

    Raises a UserError without permission or space.
    """
    dataset = scored.dataset
    honest = scored.out_of_fold
    columns = {_ID: pa.array(dataset.ids, pa.string())}
    for kind, values in ((_TARGET, dataset.targets), (_SCORE, scored.scores), (_HONEST, honest)):
        if values is not None:
            columns |= {kind + label: pa.array(values[:, i]) for i, label in enumerate(dataset.labels)}
    written = ScoresTable(
        dataset.comments_digest,
        dataset.ids,
        dataset.labels,
        dataset.targets,
        scored.scores,
        scored.scores if honest is None else honest,
    )
    digests = {_DIGEST: written.digest, _REPORT: _sha256(report), _CONTENT: written.content_digest()}
    table = pa.table(columns).replace_schema_metadata({key: digest.encode() for key, digest in digests.items()})
    with write_file(path, "wb") as file:
        pq.write_table(table, file)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_scores_of(path: Path, report: str) -> ScoresTable:
    """Read what `write_scores_of` wrote beside the JSON of a report.

    Raises
    ------
    UserError : it is missing, damaged, changed since it was written, or of another report; a score or target is outside
        [0, 1]
    """
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
        digests = {key: text.decode() for key, text in (table.schema.metadata or {}).items() if key in _DIGESTS}
        if missing := {_DIGEST, _REPORT} - set(digests):
            raise ValueError(f"its metadata lack {min(missing).decode()}")
        labels = tuple(name.removeprefix(_SCORE) for name in table.column_names if name.startswith(_SCORE))
        has_honest = any(name.startswith(_HONEST) for name in table.column_names)
        targets, scores, honest = (
            np.stack([_numbers(table, kind + label) for label in labels], axis=1)
            for kind in (_TARGET, _SCORE, _HONEST if has_honest else _SCORE)
        )
        ids = tuple(_column(table, _ID, "texts", pa.types.is_string).to_pylist())
        if digests[_REPORT] != _sha256(report):
            raise UserError(
                "evaluation.scores-damaged",
                "does not belong to the report beside it",
                where=path,
                remedy="evaluate again: they are written together",
            )
    except FileNotFoundError as error:
        raise UserError(
            "evaluation.scores-missing",
            "no scores beside the report",
            where=path,
            remedy="evaluate again: they are written with it",
        ) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(
            "evaluation.scores-damaged", f"damaged: {shortened(str(error), 200)}", where=path, remedy="evaluate again"
        ) from error
    of_kind = {_TARGET: targets, _SCORE: scores, _HONEST if has_honest else _SCORE: honest}
    for kind, values in of_kind.items():
        _check_range(values, [kind + label for label in labels], path, may_be_unknown=kind == _TARGET)
    found = ScoresTable(digests[_DIGEST], ids, labels, targets, scores, honest)
    if digests.get(_CONTENT, found.content_digest()) != found.content_digest():  # older files have none
        raise UserError(
            "evaluation.scores-damaged",
            "changed since it was written: its content does not match its digest",
            where=path,
            remedy="evaluate again",
        )
    return found


def _column(table: pa.Table, name: str, expected: str, is_expected: Callable[[pa.DataType], bool]) -> pa.ChunkedArray:
    """Return a column; ValueError unless it exists exactly once and has the expected type."""
    if table.column_names.count(name) != 1:
        raise ValueError(f"{table.column_names.count(name)} columns {name!r}, expected one")
    if not is_expected(table[name].type):
        raise ValueError(f"the column {name!r} is of the type {table[name].type}, expected {expected}")
    return table[name]


def _numbers(table: pa.Table, name: str) -> Float32s:
    return np.asarray(_column(table, name, "floating-point numbers", pa.types.is_floating).to_numpy(), dtype=np.float32)


def _check_range(values: Float32s, columns: Sequence[str], path: Path, *, may_be_unknown: bool) -> None:
    """Raise a UserError that names the first row with a value outside [0, 1]; targets may be unknown (NaN)."""
    wrong = ~((values >= 0) & (values <= 1))
    if may_be_unknown:
        wrong &= ~np.isnan(values)
    if not wrong.any():
        return
    row, column = (int(place) for place in np.argwhere(wrong)[0])
    expected = "a target from 0 to 1, or empty if it is unknown" if may_be_unknown else "a score from 0 to 1"
    found = f"row {row + 1}, column {columns[column]!r}: {values[row, column]:g}"
    remedy = "evaluate again: civility never writes such a value, so the file was changed"
    raise UserError("evaluation.scores-damaged", found, where=path, expected=expected, remedy=remedy)
