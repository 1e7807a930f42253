"""`civility predict`: one row for each comment, in order, streamed, in three formats."""

import csv
import io
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from civility import Classifier
from civility.bulk.score_file import ScoresFormat, predict
from civility.data.prepare import prepare
from civility.data.reading.tables import CHUNK_CHARACTERS
from civility.recipe import Recipe
from civility.scoring.linear_model import LinearModel, Terms

from ..refusals import refused
from .conftest import Run

TEXTS = ["have a nice day", "you stupid clown, I hate your film", "the garden", "call me when you find the train"] * 5


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    path = tmp_path / "comments.jsonl"
    path.write_text("".join(json.dumps({"id": f"n{i}", "text": text}) + "\n" for i, text in enumerate(TEXTS)))
    return path


def read(path: Path) -> tuple[list[str], list[str], "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]:
    """Return header, ids and scores of a file of scores."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
    elif path.suffix == ".jsonl":
        objects = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        header, rows = list(objects[0]), [list(one.values()) for one in objects]
    else:
        table = pq.read_table(path)
        header, rows = table.column_names, [list(one.values()) for one in table.to_pylist()]
    return header, [str(row[0]) for row in rows], np.array([row[1:] for row in rows], dtype=np.float32)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_scores_come_in_the_order_of_the_comments(
    civility: Run, trained: Path, comments: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"scores.{suffix}"
    done = civility("predict", trained, "--data", comments, "--out", out)
    assert done.code == 0, done.err
    assert "20 comments scored" in done.err
    header, ids, scores = read(out)
    classifier = Classifier.load(trained)
    assert header == ["id", *classifier.labels]
    assert ids == [f"n{i}" for i in range(20)]
    np.testing.assert_allclose(scores, classifier.score(TEXTS), atol=1e-6)
    assert np.abs(scores[0] - scores[1]).max() > 1e-4, "the control: another order would be seen"


def test_a_line_of_text_is_scored_from_standard_input(
    civility: Run, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"have a nice day\n\nyou clown\n")))
    done = civility("predict", trained, "--data", "-")
    assert done.code == 0, done.err
    header, *rows = csv.reader(io.StringIO(done.out))
    assert header[0] == "id"
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert "warning: 1 blank comment, scored as an empty text" in done.err


@pytest.mark.parametrize("header", ["\ufeff\ufeffId ,Comment_Text", "TEXT\u200b,\u00a0ID", "comment ,COMMENT_ID\u00ad"])
def test_a_changed_header_keeps_its_ids(civility: Run, trained: Path, tmp_path: Path, header: str) -> None:
    names = header.split(",")
    cells = {name: "one day" if "t" in name.lower() and "_id" not in name.lower() else "007" for name in names}
    data = tmp_path / "odd.csv"
    data.write_text(f"{header}\n{','.join(cells.values())}\n", encoding="utf-8")
    done = civility("predict", trained, "--data", data)
    assert done.code == 0, done.err
    written, row = csv.reader(io.StringIO(done.out))
    assert (written[0].lower() in ("id", "comment_id"), row[0]) == (True, "007"), "the name is written as it is seen"
    assert "no id column" not in done.err


def test_missing_ids_are_noted_once(civility: Run, trained: Path, tmp_path: Path) -> None:
    data = tmp_path / "bare.csv"
    data.write_text("coment_id,text\n" + "x7,a day\n" * 5_000, encoding="utf-8")
    out = tmp_path / "scores.csv"
    done = civility("predict", trained, "--data", data, "--out", out)
    assert done.code == 0, done.err
    assert done.words.count("no id column") == 1
    assert "did you mean coment_id?" in done.words
    assert read(out)[1] == [str(row) for row in range(1, 5_001)]


def test_comments_without_an_id_are_counted(civility: Run, linear: Path, tmp_path: Path) -> None:
    path = tmp_path / "comments.csv"
    path.write_text("id,text\n,a\n1,b\n")
    done = civility("predict", linear, "--data", path)
    assert [line.split(",")[0] for line in done.out.splitlines()] == ["id", "", "1"]
    assert "1 comment without an id: the ids are empty in the scores, too" in done.words


def test_two_columns_of_one_name_are_refused(civility: Run, trained: Path, tmp_path: Path) -> None:
    data = tmp_path / "twice.csv"
    data.write_text("id,text,Text \n1,a,b\n", encoding="utf-8")
    for options in ([], ["--text-column", "text"]):
        done = civility("predict", trained, "--data", data, "--out", tmp_path / "scores.csv", *options)
        assert done.code == 2
        assert "the columns 'text' and 'Text ' have the same name" in done.err
        assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"Id;Comment\n7;have a nice day\n9;you clown\n",
        b'\n[{"Id": 7, "Comment": "have a nice day"},\n {"Id": 9, "Comment": "you clown"}]\n',
    ],
)
def test_standard_input_gives_what_a_file_gives(
    civility: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    path = tmp_path / "comments.csv"
    path.write_bytes(data)
    as_file = civility("predict", trained, "--data", path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    as_pipe = civility("predict", trained, "--data", "-")
    assert as_file.code == as_pipe.code == 0, as_file.err + as_pipe.err
    assert as_file.out == as_pipe.out
    assert [row[0] for row in csv.reader(io.StringIO(as_pipe.out))] == ["Id", "7", "9"]
    said = " ".join(as_pipe.err.split())
    assert "standard input: read as " in said
    assert "text column 'Comment', id column 'Id'" in said


def test_options_set_the_dialect_of_the_comments(civility: Run, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "export.dat"
    path.write_bytes("id:text\n7:caf\u00e9, you clown\n".encode("cp1252"))
    refused = civility("predict", trained, "--data", path)
    assert refused.code == 2
    assert "--input-format" in refused.err
    options = ("--input-format", "csv", "--separator", ":", "--encoding", "cp1252")
    done = civility("predict", trained, "--data", path, *options, "--format", "jsonl", "--keep-text")
    assert done.code == 0, done.err
    assert json.loads(done.out)["comment_text"] == "caf\u00e9, you clown"
    too_large = civility("predict", trained, "--data", path, *options, "--max-cell-bytes", "1024")
    assert too_large.code == 0
    path.write_bytes(b"id:text\n7:" + b"a" * 2000)
    too_large = civility("predict", trained, "--data", path, *options, "--max-cell-bytes", "1024")
    assert too_large.code == 2
    assert "row 1 (line 2): 2,002 bytes, expected at most 1,024" in " ".join(too_large.err.split())


def test_the_format_option_replaces_the_suffix(civility: Run, trained: Path, comments: Path) -> None:
    done = civility("predict", trained, "--data", comments, "--format", "jsonl")
    assert done.code == 0, done.err
    assert len([json.loads(line) for line in done.out.splitlines()]) == 20


def test_scores_never_overwrite_the_comments(linear: Path, comments: Path) -> None:
    before = comments.read_bytes()
    with refused("bulk.same-file", "comments.jsonl: the file of comments\nwrite the scores to another file"):
        predict(str(linear), str(comments), str(comments))
    assert comments.read_bytes() == before


def test_only_csv_is_safe_for_spreadsheets(linear: Path, comments: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.jsonl"
    with refused("bulk.spreadsheet-format", "--spreadsheet-safe: not possible with jsonl, expected CSV"):
        predict(str(linear), str(comments), str(out), form=ScoresFormat(for_spreadsheet=True))
    assert not out.exists()


class Endless(io.RawIOBase):
    """A stream of comments that counts what was read of it."""

    def __init__(self, num: int) -> None:
        self.lines = (f"comment number {i} of the film\n".encode() for i in range(num))
        self.num_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        line = next(self.lines, b"")
        self.num_read += bool(line)
        buffer[: len(line)] = line
        return len(line)


class Counting(io.BytesIO):
    """An output that notes how far reading was ahead of writing."""

    def __init__(self, source: Endless) -> None:
        super().__init__()
        self.source, self.num_rows, self.furthest = source, -1, 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.furthest = max(self.furthest, self.source.num_read - max(0, self.num_rows))
        self.num_rows += data.count(b"\n")
        return len(data)


def test_reading_is_never_far_ahead_of_writing(trained: Path) -> None:
    source = Endless(12_000)
    out = Counting(source)
    done = predict(str(trained), io.BufferedReader(source, 64), out)
    assert done.num_comments == out.num_rows == 12_000
    assert 0 < out.furthest <= 4_096 + 2 * 1_024


def test_large_comments_are_scored_a_few_at_a_time(
    linear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4,096 comments were gathered whatever their size, so that memory grew with the file."""
    comments = tmp_path / "large.csv"
    comments.write_text("text\n" + ("you fool " * 100_000 + "\n") * 26)
    sizes, reported = list[int](), list[int]()
    score = Classifier.score

    def measured(self: Classifier, texts: list[str], **options: Any) -> "np.ndarray[Any, Any]":
        sizes.append(sum(map(len, texts)))
        return score(self, texts, **options)

    monkeypatch.setattr(Classifier, "score", measured)
    assert predict(str(linear), str(comments), io.BytesIO(), on_scored=reported.append).num_comments == 26
    assert max(sizes) <= CHUNK_CHARACTERS + 1_000_000 < sum(sizes)
    assert max(reported) <= 2, "progress is reported for each comment"


def test_an_error_half_way_leaves_no_file(civility: Run, trained: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "broken.jsonl", tmp_path / "scores.csv"
    lines = [json.dumps({"text": f"comment {i}"}) for i in range(6_000)]
    path.write_text("\n".join([*lines, "{broken"]) + "\n")
    done = civility("predict", trained, "--data", path, "--out", out)
    assert done.code == 2
    assert "broken.jsonl" in done.err
    assert "6001" in done.err.replace(",", "")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["broken.jsonl"]


@pytest.fixture
def with_bands(trained: Path, tmp_path: Path) -> Path:
    """The classifier with a threshold in the middle of its scores, and a band for review of one label."""
    folder = tmp_path / "with-bands"
    shutil.copytree(trained / "classifier", folder)
    classifier = Classifier.load(folder)
    scores = classifier.score(TEXTS)
    middles = (np.sort(scores[:4], axis=0)[1:3].sum(axis=0) / 2).tolist()
    content = json.loads((folder / "civility.json").read_text())
    content |= {
        "schema": 2,
        "policies": {},
        "calibration": {},
        "chosen_on": {"epoch": "", "calibration": {}, "thresholds": {}},
    }
    content["thresholds"] = dict(zip(classifier.labels, middles, strict=True))
    content["review_thresholds"] = {"toxic": float(scores[:, 0].min())}
    later = ("files", "not_chosen_from_data", "digest")  # without a digest, since it is changed on purpose
    kept = {key: value for key, value in content.items() if key not in later}
    (folder / "civility.json").write_text(json.dumps(kept))
    return folder


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_decisions_follow_the_thresholds_of_the_folder(
    civility: Run, with_bands: Path, comments: Path, tmp_path: Path, suffix: str
) -> None:
    plain, out = tmp_path / f"plain.{suffix}", tmp_path / f"decided.{suffix}"
    assert civility("predict", with_bands, "--data", comments, "--out", plain).code == 0
    done = civility("predict", with_bands, "--data", comments, "--out", out, "--decisions")
    assert done.code == 0, done.err
    rows = rows_of(out)
    classifier = Classifier.load(with_bands)
    names = [f"{label}:decision" for label in classifier.labels]
    assert list(rows[0]) == ["id", *classifier.labels, *names]
    assert [{name: row[name] for name in row if name not in names} for row in rows] == rows_of(plain)
    flagged = classifier.decide(classifier.score(TEXTS))
    for i, label in enumerate(classifier.labels):
        below, above = ("review", "remove") if label == "toxic" else ("allow", "flag")
        assert [row[names[i]] for row in rows] == [above if one else below for one in flagged[:, i]]
        assert 0 < flagged[:, i].sum() < len(TEXTS), "the control: both are there"


def rows_of(path: Path) -> list[dict[str, object]]:
    """Return the rows of a file of scores and decisions, numbers of CSV as text."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [dict(row) for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_scores_with_their_texts_can_be_pseudo_labels(
    civility: Run, trained: Path, comments: Path, tmp_path: Path, suffix: str
) -> None:
    out, plain = (tmp_path / f"{name}.{suffix}" for name in ("pseudo", "plain"))
    assert civility("predict", trained, "--data", comments, "--out", out, "--keep-text").code == 0
    assert civility("predict", trained, "--data", comments, "--out", plain).code == 0
    rows, bare = rows_of(out), rows_of(plain)
    assert list(rows[0])[:2] == ["id", "comment_text"]
    assert [row.pop("comment_text") for row in rows] == TEXTS
    assert rows == bare
    recipe = Recipe.load("starter", {"data.files": ["civility:starter/train"], "data.pseudo_labels": [str(out)]})
    training = prepare(recipe.wanted).training
    assert training.texts[-20:] == tuple(TEXTS)
    scores = Classifier.load(trained).score(TEXTS)
    np.testing.assert_allclose(training.targets[-20:], scores, atol=1e-6)


def _stays(path: Path) -> bool:
    """Whether a pipe is one still, and nothing has come to stand beside it."""
    return stat.S_ISFIFO(path.stat().st_mode) and not list(path.parent.glob(".*"))


@pytest.mark.parametrize("file_format", ["", "jsonl", "parquet"])
def test_scores_stream_into_a_pipe(
    civility: Run, linear: Path, comments: Path, tmp_path: Path, file_format: str
) -> None:
    pipe, kind = tmp_path / "pipe", file_format or "csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    options = ["--format", file_format] if file_format else []
    done = civility("predict", linear, "--data", comments, "--out", pipe, *options)
    assert (done.code, done.out) == (0, ""), done.err
    assert _stays(pipe)
    (tmp_path / f"piped.{kind}").write_bytes(os.read(reader, 1 << 16))
    os.close(reader)
    assert civility("predict", linear, "--data", comments, "--out", tmp_path / f"scores.{kind}").code == 0
    for piped, written in zip(read(tmp_path / f"piped.{kind}"), read(tmp_path / f"scores.{kind}"), strict=True):
        np.testing.assert_array_equal(piped, written)


def test_scores_stream_into_the_descriptor_behind_dev_stdout(
    civility: Run, linear: Path, comments: Path, tmp_path: Path
) -> None:
    expected = civility("predict", linear, "--data", comments).out
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    done = civility("predict", linear, "--data", comments, "--out", tmp_path / "stdout")
    assert (done.code, done.out) == (0, expected), done.err
    assert (tmp_path / "stdout").is_symlink()


@pytest.mark.parametrize("verb", ["train", "evaluate", "compare", "ensemble", "soup", "audit", "sweep"])
def test_a_pipe_where_a_folder_should_be_is_refused_and_stays(
    civility: Run, linear: Path, tmp_path: Path, verb: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "space.toml").write_text('[space]\n"training.epochs" = [1, 2]\n')
    comments = "civility:starter/held-out"
    arguments: dict[str, list[object]] = {
        "train": ["fast", "--data", comments],
        "evaluate": [linear, "--resamples", 100],
        "compare": [linear, linear],
        "ensemble": [linear, linear],
        "soup": [linear, linear],
        "audit": [comments],
        "sweep": ["starter", "--space", tmp_path / "space.toml"],
    }
    done = civility(verb, *arguments[verb], "--out", pipe)
    assert done.code == 2, done.err
    assert str(pipe) in done.err
    assert _stays(pipe)


def test_a_score_that_is_not_finite_is_an_error_that_names_the_comment(civility: Run, tmp_path: Path) -> None:
    # Finite weights, whose logits are beyond float32: found when a comment has the word, and not before.
    terms = (Terms("word", 1, ("film",), np.ones(1)),)
    model = LinearModel(("toxic", "threat"), terms, np.array([[1.0, 1e300]]), np.zeros(2))
    folder = tmp_path / "huge"
    folder.mkdir()
    Classifier(model).save(folder, "")
    data = tmp_path / "comments.csv"
    data.write_text("id,comment_text\na,nice\n" + "".join(f"b{i},nice {i}\n" for i in range(5_000)) + "last,film\n")
    done = civility("predict", folder, "--data", data, "--out", tmp_path / "scores.csv")
    assert done.code == 2
    assert f"error: {folder}: comment last (row 5,002) has a logit of inf for threat" in done.err
    assert not (tmp_path / "scores.csv").exists()
    data.write_text("id,comment_text\na,nice\n")
    assert civility("predict", folder, "--data", data, "--out", tmp_path / "scores.csv").code == 0, "the control"
