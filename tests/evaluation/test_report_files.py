"""The scores beside a report: read again as they were, or refused; and the files of a report."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civility.data.dataset import Dataset
from civility.documents.report import ClassifierFacts
from civility.errors import UserError
from civility.evaluation import Report, Scored
from civility.evaluation.label_measures import measure
from civility.evaluation.report_files import read_scores_of, write_report, write_scores_of
from civility.render.markdown.report_markdown import to_markdown
from civility.run import ReportFiles

from ..refusals import refused

LABELS = ("toxic", "target:toxic", "id", "a.b c", "</script>\n|`")


def _scored(num: int = 9) -> Scored:
    rng = np.random.default_rng(0)
    targets = rng.random((num, len(LABELS))).astype(np.float32)
    targets[::3, 1:] = np.nan
    ids = ("twice", "twice", "ünï \u202e", *(str(i) for i in range(num)))[:num]
    texts = tuple(f"secret {i}" for i in range(num))
    return Scored(Dataset(texts, targets, ids, LABELS), rng.random(targets.shape).astype(np.float32))


@pytest.mark.parametrize("num", [0, 1, 9])
def test_written_and_read_again_they_are_the_same_to_the_bit(tmp_path: Path, num: int) -> None:
    scored = _scored(num)
    path = tmp_path / "a.scores.parquet"
    write_scores_of(scored, path, "{}")
    found = read_scores_of(path, "{}")
    assert (found.digest, found.ids, found.labels) == (scored.dataset.comments_digest, scored.dataset.ids, LABELS)
    np.testing.assert_array_equal(found.targets, scored.dataset.targets)
    np.testing.assert_array_equal(found.scores, scored.scores)
    assert found.targets.dtype == found.scores.dtype == np.dtype(np.float32)
    assert b"secret" not in path.read_bytes(), "texts stay out of it"


def test_scores_by_calibrations_of_other_comments_are_kept_apart(tmp_path: Path) -> None:
    scored = _scored()
    path = tmp_path / "a.scores.parquet"
    write_scores_of(scored, path, "{}")
    np.testing.assert_array_equal(read_scores_of(path, "{}").honest_scores, scored.scores)
    honest = (scored.scores / 2).astype(np.float32)
    write_scores_of(replace(scored, out_of_fold=honest), path, "{}")
    found = read_scores_of(path, "{}")
    np.testing.assert_array_equal(found.honest_scores, honest)
    np.testing.assert_array_equal(found.scores, scored.scores)
    assert found.labels == LABELS


def test_scores_that_are_not_there_are_told(tmp_path: Path) -> None:
    with refused("evaluation.scores-missing") as caught:
        read_scores_of(tmp_path / "none.parquet", "{}")
    assert caught.value.message == f"{tmp_path / 'none.parquet'}: no scores beside the report"
    assert caught.value.remedy == "evaluate again: they are written with it"


def _older(table: pa.Table) -> pa.Table:
    """Return a table as of a version that recorded no digest of the columns, so that a change is not found by that."""
    metadata = {key: value for key, value in table.schema.metadata.items() if key != b"civility.content"}
    return table.replace_schema_metadata(metadata)


def test_older_scores_without_a_digest_of_their_columns_are_read(tmp_path: Path) -> None:
    path, scored = tmp_path / "a.scores.parquet", _scored()
    write_scores_of(scored, path, "{}")
    pq.write_table(_older(pq.read_table(path)), path)
    np.testing.assert_array_equal(read_scores_of(path, "{}").targets, scored.dataset.targets)


@pytest.mark.parametrize("name", ["id", "target:toxic", "score:toxic", "honest-score:toxic"])
def test_a_column_that_was_rewritten_is_told(tmp_path: Path, name: str) -> None:
    path, scored = tmp_path / "a.scores.parquet", _scored()
    write_scores_of(replace(scored, out_of_fold=(scored.scores / 2).astype(np.float32)), path, "{}")
    table = pq.read_table(path)
    place = table.column_names.index(name)
    changed = pa.array([*table[name].to_pylist()[1:], table[name][0].as_py()], table[name].type)
    pq.write_table(table.set_column(place, name, changed), path)
    with refused("evaluation.scores-damaged", "changed since it was written: its content does not match its digest"):
        read_scores_of(path, "{}")


def test_no_flipped_bit_changes_what_is_read(tmp_path: Path) -> None:
    path, scored = tmp_path / "a.scores.parquet", _scored()
    write_scores_of(scored, path, "{}")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for bit in rng.choice(8 * len(whole), 150, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with contextlib.suppress(UserError):
            found = read_scores_of(path, "{}")
            assert (found.digest, found.ids, found.labels) == (
                scored.dataset.comments_digest,
                scored.dataset.ids,
                LABELS,
            )
            np.testing.assert_array_equal(found.targets, scored.dataset.targets)
            np.testing.assert_array_equal(found.scores, scored.scores)


@pytest.mark.parametrize("name", ["target:toxic", "score:toxic", "id"])
@pytest.mark.parametrize("kind", ["timestamp", "date", "struct", "bool", "int", "list"])
def test_a_column_of_another_type_is_told(tmp_path: Path, name: str, kind: str) -> None:
    path, num = tmp_path / "a.scores.parquet", 9
    write_scores_of(_scored(num), path, "{}")
    columns = {
        "timestamp": pa.array([0] * num, pa.timestamp("us")),
        "date": pa.array([0] * num, pa.date32()),
        "struct": pa.array([{"a": 1}] * num),
        "bool": pa.array([True] * num),
        "int": pa.array([1] * num),
        "list": pa.array([[0.5]] * num),
    }
    table = _older(pq.read_table(path))
    pq.write_table(table.set_column(table.column_names.index(name), name, columns[kind]), path)
    with refused(
        "evaluation.scores-damaged", rf"damaged: the column '{name}' is of the type .*, expected (texts|floating)"
    ):
        read_scores_of(path, "{}")


def _damaged(path: Path, kind: str) -> None:
    whole = path.read_bytes()
    table = pq.read_table(path)
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "text":
        path.write_text("id,score\n")
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "no digest":
        pq.write_table(table.replace_schema_metadata(None), path)
    elif kind == "no ids":
        pq.write_table(table.drop_columns(["id"]), path)
    elif kind == "no target":
        pq.write_table(table.drop_columns(["target:toxic"]), path)
    elif kind == "no labels":
        pq.write_table(table.select(["id"]), path)
    else:
        pq.write_table(table.set_column(1, "target:toxic", pa.array(["x"] * len(table))), path)


@pytest.mark.parametrize(
    "kind", ["empty", "cut", "text", "folder", "no digest", "no ids", "no target", "no labels", "words"]
)
def test_damaged_scores_are_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.scores.parquet"
    write_scores_of(_scored(), path, "{}")
    read_scores_of(path, "{}")  # the control
    _damaged(path, kind)
    with refused("evaluation.scores-damaged") as caught:
        read_scores_of(path, "{}")
    assert caught.value.message.startswith(f"{path}: damaged: ")
    assert caught.value.remedy == "evaluate again"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("score", np.nan, "a score from 0 to 1"),
        ("score", np.inf, "a score from 0 to 1"),
        ("score", -0.25, "a score from 0 to 1"),
        ("honest-score", np.nan, "a score from 0 to 1"),
        ("target", 9.0, "a target from 0 to 1, or empty if it is unknown"),
        ("target", -1.0, "a target from 0 to 1, or empty if it is unknown"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_row_and_column(
    tmp_path: Path, kind: str, value: float, expected: str
) -> None:
    path, scored = tmp_path / "a.scores.parquet", _scored()
    write_scores_of(replace(scored, out_of_fold=scored.scores), path, "{}")
    table = pq.read_table(path)
    name = f"{kind}:a.b c"
    values = table[name].to_numpy().copy()
    values[4] = value
    pq.write_table(table.set_column(table.column_names.index(name), name, pa.array(values, pa.float32())), path)
    with refused("evaluation.scores-damaged") as caught:
        read_scores_of(path, "{}")
    assert caught.value.message == f"{path}: row 5, column {name!r}: {value:g}, expected {expected}"


def test_an_empty_score_is_refused_and_an_empty_target_is_unknown(tmp_path: Path) -> None:
    path, scored = tmp_path / "a.scores.parquet", _scored()
    write_scores_of(scored, path, "{}")
    table, empty = _older(pq.read_table(path)), pa.array([None] * len(scored.dataset), pa.float32())
    place = table.column_names.index("target:toxic")
    pq.write_table(table.set_column(place, "target:toxic", empty), path)
    assert np.isnan(read_scores_of(path, "{}").targets[:, 0]).all()
    place = table.column_names.index("score:toxic")
    pq.write_table(table.set_column(place, "score:toxic", empty), path)
    with refused("evaluation.scores-damaged", "row 1, column 'score:toxic': nan"):
        read_scores_of(path, "{}")


def _report(scored: Scored) -> Report:
    facts = ClassifierFacts(name="c", max_length=8)
    return measure(scored, ["a.csv"], name="mine", classifier=facts, num_resamples=5)


def test_the_files_of_a_report(tmp_path: Path) -> None:
    scored = _scored()
    report = _report(scored)
    files = write_report(report, scored, tmp_path / "made" / "reports")
    assert files == ReportFiles(tmp_path / "made" / "reports", "mine")
    assert {"mine.json", "mine.md", "mine.scores.parquet"} <= {path.name for path in files.folder.iterdir()}
    assert Report.parse(files.json.read_text(encoding="utf-8"), "report.json") == report
    assert files.markdown.read_text(encoding="utf-8") == to_markdown(report)
    text = files.json.read_text(encoding="utf-8")
    assert read_scores_of(files.scores, text).digest == scored.dataset.comments_digest
    with refused("evaluation.scores-damaged", "does not belong to the report beside it"):
        read_scores_of(files.scores, text.replace("mine", "other"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    scored = _scored()
    with pytest.raises(UserError, match="cannot write: part of the path is a file, not a folder"):
        write_report(_report(scored), scored, tmp_path / "file" / "reports")
