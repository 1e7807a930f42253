"""Files of scores: what is read back is what was written, bit for bit, and half a file is never seen."""

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from civility.data.writers import FORMATS, score_format, write_scores
from civility.errors import UserError

from ..refusals import refused

Scores = npt.NDArray[np.float32]
LABELS = ("toxic", "severe_toxic")
ODD_IDS = ["1", "", "a,b", 'say "x"', "two\nlines", "é🙂", " space ", "0012", "cr\rhere", "back\\slash", "null"]
FLOATS = hnp.arrays(np.float32, st.tuples(st.integers(0, 12), st.just(2)), elements=st.floats(0, 1, width=32))


def _write(file_format: str, ids: Sequence[str], scores: Scores, labels: Sequence[str] = LABELS) -> bytes:
    stream = io.BytesIO()
    with write_scores(stream, file_format, "id", labels) as write:
        half = len(ids) // 2
        write(ids[:half], scores[:half])
        write(ids[half:], scores[half:])
    return stream.getvalue()


def _read(file_format: str, content: bytes) -> tuple[list[str], list[str], Scores]:
    """Return columns, ids and scores, read with nothing of ours; a number is parsed as Python parses it."""
    if file_format == "csv":
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        return (
            header,
            [row[0] for row in rows],
            np.array([row[1:] for row in rows], dtype=np.float64).astype(np.float32),
        )
    if file_format == "jsonl":
        objects = [json.loads(line) for line in content.decode().split("\n")[:-1]]
        columns = list(objects[0]) if objects else []
        table = [[one[name] for name in columns[1:]] for one in objects]
        return columns, [one[columns[0]] for one in objects], np.array(table, dtype=np.float64).astype(np.float32)
    parquet = pq.read_table(io.BytesIO(content))
    columns = parquet.column_names
    stacked = [parquet[name].to_numpy() for name in columns[1:]]
    return columns, parquet[columns[0]].to_pylist(), np.stack(stacked, axis=1)


def _scores(num: int) -> Scores:
    return np.random.default_rng(3).random((num, 2)).astype(np.float32)


@pytest.mark.parametrize("file_format", FORMATS)
def test_ids_and_scores_come_back_exactly(file_format: str) -> None:
    scores = _scores(len(ODD_IDS))
    columns, ids, found = _read(file_format, _write(file_format, ODD_IDS, scores))
    assert columns == ["id", *LABELS]
    assert ids == ODD_IDS
    np.testing.assert_array_equal(found.view(np.uint32), scores.view(np.uint32))
    other = np.nextafter(scores, np.float32(2))
    assert not np.array_equal(_read(file_format, _write(file_format, ODD_IDS, other))[2], scores), "the control"


@pytest.mark.parametrize("file_format", FORMATS)
@settings(max_examples=40, deadline=None)
@given(scores=FLOATS)
def test_any_float32_comes_back_exactly(file_format: str, scores: Scores) -> None:
    ids = [str(i) for i in range(len(scores))]
    found = _read(file_format, _write(file_format, ids, scores))[2].reshape(-1, 2)
    np.testing.assert_array_equal(found, scores)


def test_six_decimals_would_not_do() -> None:
    scores = np.array([[1e-8, 1 - 2**-24]], dtype=np.float32)
    np.testing.assert_array_equal(_read("csv", _write("csv", ["1"], scores))[2], scores)
    assert not np.array_equal(scores.round(6), scores)


def test_a_csv_of_scores_to_the_letter() -> None:
    scores = np.array([[0, 1], [0.5, 0.1], [1e-5, 0.25]], dtype=np.float32)
    assert _write("csv", ["a", "b,c", "d"], scores).decode() == (
        'id,toxic,severe_toxic\na,0.0,1.0\n"b,c",0.5,0.1\nd,0.00001,0.25\n'
    )


def test_a_jsonl_of_scores_to_the_letter() -> None:
    scores = np.array([[0, 1], [0.5, 0.1]], dtype=np.float32)
    assert _write("jsonl", ["a", "é"], scores).decode() == (
        '{"id": "a", "toxic": 0.0, "severe_toxic": 1.0}\n{"id": "é", "toxic": 0.5, "severe_toxic": 0.1}\n'
    )


def test_a_parquet_of_scores_has_strings_and_float32() -> None:
    schema = pq.read_schema(io.BytesIO(_write("parquet", ["1"], _scores(1))))
    assert [str(field.type) for field in schema] == ["string", "float", "float"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_labels_with_odd_names_come_back(file_format: str) -> None:
    labels = ['say "x"', "a,b", "é\nü", "plain"]
    scores = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    columns, _, found = _read(file_format, _write(file_format, ["1", "2", "3"], scores, labels))
    assert columns == ["id", *labels]
    np.testing.assert_array_equal(found, scores)


@pytest.mark.parametrize("file_format", FORMATS)
def test_without_rows_there_is_still_a_file(file_format: str, tmp_path: Path) -> None:
    path = tmp_path / f"scores.{file_format}"
    with write_scores(str(path), file_format, "id", LABELS):
        pass
    content = path.read_bytes()
    assert content == b"" if file_format == "jsonl" else _read(file_format, content)[0] == ["id", *LABELS]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_appears_when_it_is_complete(file_format: str, tmp_path: Path) -> None:
    path = tmp_path / f"scores.{file_format}"
    scores = _scores(4)
    with write_scores(str(path), file_format, "id", LABELS) as write:
        write(["1", "2", "3", "4"], scores)
        assert not path.exists()
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208
    np.testing.assert_array_equal(_read(file_format, path.read_bytes())[2], scores)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("before", [None, "old"])
def test_an_exception_leaves_what_was_there(file_format: str, before: str | None, tmp_path: Path) -> None:
    path = tmp_path / f"scores.{file_format}"
    if before is not None:
        path.write_text(before)
    with pytest.raises(ZeroDivisionError), write_scores(str(path), file_format, "id", LABELS) as write:  # noqa: PT012
        write(["1", "2"], _scores(2))
        raise ZeroDivisionError
    assert [one.name for one in tmp_path.iterdir()] == ([] if before is None else [path.name])
    assert before is None or path.read_text() == before


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_stream_is_flushed_and_stays_open(file_format: str) -> None:
    raw = io.BytesIO()
    stream = io.BufferedWriter(raw, 1 << 20)
    with write_scores(stream, file_format, "id", LABELS) as write:
        write(["1"], _scores(1))
    assert not stream.closed
    assert _read(file_format, raw.getvalue())[1] == ["1"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_ids_and_scores_of_different_lengths_are_refused(file_format: str, tmp_path: Path) -> None:
    path = str(tmp_path / "scores")
    with pytest.raises(ValueError), write_scores(path, file_format, "id", LABELS) as write:  # noqa: PT011
        write(["1", "2"], _scores(3))
    assert list(tmp_path.iterdir()) == []


def test_a_label_with_the_name_of_the_id_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    with refused("data.bad-output") as caught, write_scores(str(path), "csv", "toxic", LABELS):
        pass
    assert caught.value.message == "the id column and a label are both named 'toxic'"
    assert caught.value.remedy == "rename the id column of the file"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "scores.csv"
    with pytest.raises(UserError) as caught, write_scores(str(path), "csv", "id", LABELS):
        pass
    assert caught.value.message == f"{path}: cannot write: the folder does not exist"


@pytest.mark.parametrize(
    ("out", "wanted", "expected"),
    [
        ("scores.csv", "", "csv"),
        ("a.b/scores.JSONL", "", "jsonl"),
        ("scores.parquet", "", "parquet"),
        ("scores.txt", "csv", "csv"),
        ("scores.csv", "parquet", "parquet"),
    ],
)
def test_the_format_is_that_asked_for_or_of_the_suffix(out: str, wanted: str, expected: str) -> None:
    assert score_format(out, wanted) == expected


def test_a_stream_is_csv_unless_asked_otherwise() -> None:
    assert score_format(io.BytesIO()) == "csv"
    assert score_format(io.BytesIO(), "jsonl") == "jsonl"


@pytest.mark.parametrize(("out", "suffix"), [("scores.tsv", ".tsv"), ("scores.csv.gz", ".gz"), ("scores", "")])
def test_an_unknown_suffix_is_reported(out: str, suffix: str) -> None:
    with refused("data.bad-output") as caught:
        score_format(out)
    assert caught.value.message == f"{out}: unknown suffix {suffix!r} for scores"
    assert caught.value.remedy == "name the file .csv, .jsonl or .parquet, or give --format"


WORDS = np.array([["allow", "flag"], ["remove", "allow"], ["review", "allow"]])


@pytest.mark.parametrize("file_format", FORMATS)
def test_decisions_follow_the_scores(file_format: str) -> None:
    stream, scores = io.BytesIO(), _scores(3)
    with write_scores(stream, file_format, "id", LABELS, decisions=True) as write:
        write(["a", "b"], scores[:2], WORDS[:2])
        write(["c"], scores[2:], WORDS[2:])
    content = stream.getvalue()
    if file_format == "csv":
        rows = [dict(row) for row in csv.DictReader(io.StringIO(content.decode()))]
    elif file_format == "jsonl":
        rows = [json.loads(line) for line in content.splitlines()]
    else:
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
    assert list(rows[0]) == ["id", "toxic", "severe_toxic", "toxic:decision", "severe_toxic:decision"]
    assert [[row["toxic:decision"], row["severe_toxic:decision"]] for row in rows] == WORDS.tolist()
    assert [np.float32(row["toxic"]) for row in rows] == scores[:, 0].tolist()


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("decisions", [True, False])
def test_unexpected_or_missing_decisions_are_refused(file_format: str, decisions: bool) -> None:
    given = None if decisions else WORDS
    with (
        pytest.raises(ValueError, match="decisions have shape"),
        write_scores(io.BytesIO(), file_format, "id", LABELS, decisions=decisions) as write,
    ):
        write(["a", "b", "c"], _scores(3), given)


@pytest.mark.parametrize(
    ("id_column", "labels", "message"),
    [
        ("toxic:decision", ["toxic"], "the id column and a column of decisions are both named 'toxic:decision'"),
        ("id", ["toxic", "toxic:decision"], "a label and a column of decisions are both named 'toxic:decision'"),
    ],
)
def test_a_column_of_decisions_with_a_name_in_use_is_refused(
    tmp_path: Path, id_column: str, labels: list[str], message: str
) -> None:
    path = tmp_path / "scores.csv"
    with refused("data.bad-output", match=message), write_scores(str(path), "csv", id_column, labels, decisions=True):
        pass
    assert not path.exists()
    with write_scores(str(path), "csv", id_column, labels):  # the control: without decisions, the name is used once
        pass
    assert path.exists()


@pytest.mark.parametrize(("text_column", "texts"), [("", ["a", "b"]), ("comment_text", [])])
def test_texts_without_a_column_for_them_are_refused(text_column: str, texts: list[str]) -> None:
    with (
        write_scores(io.BytesIO(), "csv", "id", LABELS, text_column=text_column) as write,
        pytest.raises(ValueError, match="texts for 2 rows"),
    ):
        write(["1", "2"], _scores(2), texts=texts)


class _Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_ids_are_harmless_on_a_terminal_and_unchanged_elsewhere() -> None:
    hostile, scores = "\x1b[2J\u202e", np.zeros((1, 1), np.float32)
    for file, shown in ((_Terminal(), "\ufffd[2J\ufffd"), (io.BytesIO(), hostile)):
        with write_scores(file, "csv", "id", ["toxic"]) as write:
            write([hostile], scores)
        assert file.getvalue().decode() == f"id,toxic\n{shown},0.0\n"
    with (
        refused("data.bad-output", match="Parquet cannot be shown on a terminal"),
        write_scores(_Terminal(), "parquet", "id", ["toxic"]),
    ):
        pass


def test_labels_that_become_one_column_of_csv_are_refused() -> None:
    labels = ["\x1ba", "\x07a"]
    with (
        refused("data.bad-output", match="two columns have one name"),
        write_scores(io.BytesIO(), "csv", "id", labels),
    ):
        pass
    with write_scores(io.BytesIO(), "jsonl", "id", labels):
        pass
