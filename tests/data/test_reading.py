"""Readers: the dialects, columns by name whatever their order, and every nonsense with its message."""

import gzip
import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civility.data import dialects
from civility.data.dialects import LABELS
from civility.data.reading import (
    Columns,
    CommentChunk,
    begins_with_mark,
    columns_present,
    count_cells,
    read_column,
    read_dataset,
    stream_comments,
)
from civility.data.reading.tables import CHUNK_ROWS, MOST_COLUMNS
from civility.errors import UserError

from ..refusals import refused

NAN = float("nan")
NAME_THEM = "name the label columns in the recipe (data.labels)"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _write(name: str, *lines: str) -> str:
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")
    return name


def _error(*files: str, columns: Columns = Columns(), require_all_labels: bool = True) -> UserError:  # noqa: B008
    with pytest.raises(UserError) as caught:
        read_dataset(files, columns, require_all_labels=require_all_labels)
    return caught.value


def _assert_targets(found: object, expected: list[list[float]]) -> None:
    np.testing.assert_array_equal(np.asarray(found), np.array(expected, dtype=np.float32))


TRAIN_2018 = (
    "id,comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate",
    "a1,you fool,1,0,0,0,1,0",
    'a2,"good, day",0,0,0,0,0,0',
)


def test_reads_jigsaw_2018() -> None:
    reading = read_dataset([_write("train.csv", *TRAIN_2018)])
    dataset = reading.dataset
    assert dataset.labels == LABELS
    assert dataset.texts == ("you fool", "good, day")
    assert dataset.ids == ("a1", "a2")
    _assert_targets(dataset.targets, [[1, 0, 0, 0, 1, 0], [0] * 6])
    assert reading.files == ("train.csv",)
    assert reading.notes == ()


def test_the_order_of_columns_changes_nothing() -> None:
    order = [5, 1, 7, 0, 3, 2, 6, 4]
    rows = [["a1", "you fool", *"100010"], ["a2", "good day", *"000100"]]
    header = TRAIN_2018[0].split(",")
    straight = _write("straight.csv", *(",".join(row) for row in [header, *rows]))
    mixed = _write("mixed.csv", *(",".join(row[i] for i in order) for row in [header, *rows]))
    assert read_dataset([straight]).dataset.digest == read_dataset([mixed]).dataset.digest
    # The control: the same cells under another header are another dataset.
    header[2], header[3] = header[3], header[2]
    other = _write("other.csv", *(",".join(row) for row in [header, *rows]))
    assert read_dataset([other]).dataset.digest != read_dataset([straight]).dataset.digest


def test_the_axis_has_the_order_asked_for() -> None:
    name = _write("train.csv", *TRAIN_2018)
    dataset = read_dataset([name], Columns(labels=("insult", "threat"))).dataset
    assert dataset.labels == ("insult", "threat")
    _assert_targets(dataset.targets, [[1, 0], [0, 0]])


def test_columns_that_are_not_labels_are_ignored() -> None:
    table = pa.table({"natural": [True], "toxic": [1], "comment_text": ["a"], "insult": [False]})
    pq.write_table(table, "train.parquet")
    dataset = read_dataset(["train.parquet"]).dataset
    assert dataset.labels == ("toxic", "insult")
    _assert_targets(dataset.targets, [[1, 0]])


@pytest.mark.parametrize("text", ["identity_attack", "toxicity"])
def test_reads_jigsaw_2019_with_soft_targets_and_groups(text: str) -> None:
    name = _write(
        "train.csv",
        "id,target,comment_text,severe_toxicity,obscene,identity_attack,insult,threat,female,male",
        "59,0.8939,you fool,0.25,0,0.5,1,0.0,0.5,",
        "60,0,good day,0,0,0,0,0,,",
    )
    if text == "toxicity":
        Path(name).write_text(Path(name).read_text().replace("target", "toxicity"))
    dataset = read_dataset([name], Columns(groups=("male", "female"))).dataset
    assert dataset.labels == LABELS
    _assert_targets(dataset.targets, [[0.8939, 0.25, 0, 0, 1, 0.5], [0] * 6])
    assert dataset.group_names == ("male", "female")
    _assert_targets(dataset.groups, [[NAN, 0.5], [NAN, NAN]])


def test_reads_a_part_of_jigsaw_2019() -> None:
    dataset = read_dataset([_write("subset.csv", "id,comment_text,target", "1,a,0.4")]).dataset
    assert dataset.labels == ("toxic",)


def test_target_alone_does_not_mean_jigsaw() -> None:
    error = _error(_write("tweets.csv", "id,text,target", "1,a,1"))
    assert error.message == "tweets.csv: no label columns; the file has: id, text, target"
    assert error.remedy == NAME_THEM


def test_reads_the_training_files_of_2020() -> None:
    bias = _write("bias.csv", "id,comment_text,toxic,severe_toxicity,identity_attack", "1,a,0.6,0.1,0.2")
    multilingual = _write("validation.csv", "id,comment_text,lang,toxic", "2,b,es,1")
    assert read_dataset([multilingual]).dataset.labels == ("toxic",)
    reading = read_dataset([bias, multilingual])
    assert reading.dataset.labels == ("toxic", "severe_toxic", "identity_hate")
    _assert_targets(reading.dataset.targets, [[0.6, 0.1, 0.2], [1, NAN, NAN]])
    assert reading.notes == ("validation.csv lacks the labels severe_toxic, identity_hate: unknown for its 1 comment",)


TEST = ("id,comment_text", "b1,first", "b2,second", "b3,third", "b4,fourth")
TEST_LABELS = (
    "id,toxic,severe_toxic,obscene,threat,insult,identity_hate",
    "b4,1,0,-1,0,0,0",
    "b1,-1,-1,-1,-1,-1,-1",
    "b2,0,0,0,0,0,0",
    "b3,1,0,1,0,0,0",
)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_joins_the_files_of_the_2018_test(order: tuple[int, int]) -> None:
    names = (_write("test.csv", *TEST), _write("test_labels.csv", *TEST_LABELS))
    reading = read_dataset([names[place] for place in order])
    assert reading.dataset.ids == ("b2", "b3", "b4")
    assert reading.dataset.texts == ("second", "third", "fourth")
    _assert_targets(reading.dataset.targets, [[0] * 6, [1, 0, 1, 0, 0, 0], [1, 0, NAN, 0, 0, 0]])
    assert reading.notes == ("1 comment of test.csv and test_labels.csv left out: never scored (-1 for every label)",)


def test_a_test_may_stand_beside_other_files() -> None:
    names = [_write("test.csv", *TEST), _write("train.csv", *TRAIN_2018), _write("labels.csv", *TEST_LABELS)]
    dataset = read_dataset(names, Columns(labels=("obscene",))).dataset
    assert dataset.ids == ("b2", "b3", "b4", "a1", "a2")
    _assert_targets(dataset.targets, [[0], [1], [NAN], [0], [0]])


def test_counts_what_is_in_one_file_only() -> None:
    test = _write("test.csv", *TEST, "b5,fifth", "b6,sixth")
    labels = _write("test_labels.csv", *TEST_LABELS, "b7,0,0,0,0,0,0")
    reading = read_dataset([test, labels])
    assert reading.dataset.ids == ("b2", "b3", "b4")
    assert reading.notes[1:] == (
        "2 comments of test.csv and test_labels.csv left out: no row of labels has the id",
        "1 row of labels of test.csv and test_labels.csv left out: no comment has the id",
    )


@pytest.mark.parametrize(
    ("test", "labels", "message"),
    [
        (TEST, None, "test.csv: no label columns; the file has: id, comment_text"),
        (
            None,
            TEST_LABELS,
            "test_labels.csv: labels without comments; the file has: "
            "id, toxic, severe_toxic, obscene, threat, insult, identity_hate",
        ),
        ((*TEST, "b2,again"), TEST_LABELS, "test.csv, row 5 (line 6): the id b2 occurs twice"),
        (TEST, (*TEST_LABELS, "b2,0,0,0,0,0,0"), "test_labels.csv, row 5 (line 6): the id b2 occurs twice"),
        (
            ("id,comment_text", "c1,first", "c2,second"),
            TEST_LABELS,
            "test.csv and test_labels.csv: none of 2 comments has a scored row of labels with its id",
        ),
        (
            TEST,
            (*TEST_LABELS[:3], "b2,0,0,x,0,0,0"),
            "test_labels.csv, row 3 (line 4): obscene = 'x', expected a number from 0 to 1, "
            "or an empty cell for unknown",
        ),
    ],
)
@pytest.mark.parametrize("wanted", [(), LABELS])
def test_reports_what_is_wrong_with_a_test(
    test: tuple[str, ...] | None, labels: tuple[str, ...] | None, message: str, wanted: tuple[str, ...]
) -> None:
    names = [_write("test.csv", *test)] if test else []
    names += [_write("test_labels.csv", *labels)] if labels else []
    assert _error(*names, columns=Columns(labels=wanted)).message == message


def test_an_id_that_occurs_twice_cannot_be_joined() -> None:
    names = [_write("test.csv", *TEST, "b2,again"), _write("test_labels.csv", *TEST_LABELS)]
    with refused("data.duplicate-id", "the id b2 occurs twice"):
        read_dataset(names)


def test_the_halves_of_a_test_name_each_other() -> None:
    assert "give test_labels.csv too" in _error(_write("test.csv", *TEST)).remedy
    assert _error(_write("test_labels.csv", *TEST_LABELS)).remedy == (
        "name the text column: data.text_column in the recipe, or --text-column; "
        "or give the comments too: Jigsaw 2018's test_labels.csv goes with test.csv"
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("id,comment,label", "train.csv: no column 'toxic'; the file has: id, comment, label"),
        ("id,text,toxc", "train.csv: no column 'toxic' (did you mean toxc?); the file has: id, text, toxc"),
        ("id,coment_text,toxic", "train.csv: labels without comments; the file has: id, coment_text, toxic"),
        (
            "id,coment_text,kind",
            "train.csv: no text column (did you mean coment_text?); the file has: id, coment_text, kind",
        ),
        ("id,toxic,words", "train.csv: labels without comments; the file has: id, toxic, words"),
        ("number,toxic,words", "train.csv: labels without comments; the file has: number, toxic, words"),
        ("number,label,words", "train.csv: no text column; the file has: number, label, words"),
        ("text,comment,toxic", "train.csv: several columns may hold the text: text, comment"),
        ("Text,BODY,toxic", "train.csv: several columns may hold the text: Text, BODY"),
    ],
)
def test_reports_the_columns_found_where_one_is_missing(columns: str, message: str) -> None:
    error = _error(_write("train.csv", columns, "1,a,0"), columns=Columns(labels=("toxic",)))
    assert error.message == message
    assert error.remedy


def test_says_where_to_name_the_labels() -> None:
    error = _error(_write("train.csv", "id,comment,rude", "1,a,0"), columns=Columns(labels=("toxic",)))
    assert error.remedy == "name the label columns in the recipe (data.labels) or rename them"
    error = _error(_write("lists.csv", "id,comment,label", "1,a,rude"), columns=Columns(labels=("toxic",)))
    assert error.remedy.endswith("if 'label' holds lists of labels: --set 'data.label_list_column=label'")


SIX = ("Toxic ", "severe_toxic", "obscene\u00a0", "\u200bthreat", "INSULT", "identity_hate\ufeff")


def _six(name: str, header: Sequence[str]) -> str:
    """Write two rows below a header in the format of a name: ids and texts, the labels of the first all 1."""
    rows = [("r1", "one", *[1] * (len(header) - 2)), ("r2", "two", *[0] * (len(header) - 2))]
    if name.endswith(".parquet"):
        columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
        pq.write_table(pa.table(columns), name)
        return name
    if name.endswith(".jsonl"):
        return _write(name, *(json.dumps(dict(zip(header, row, strict=True))) for row in rows))
    return _write(name, ",".join(header), *(",".join(map(str, row)) for row in rows))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("id", ["id ", "Id", "\ufeff\ufeffid", "id\u00a0", "\u200bID"])
@pytest.mark.parametrize("labels", [(), LABELS])
def test_a_changed_header_loses_no_ids_and_no_label(name: str, id: str, labels: tuple[str, ...]) -> None:
    file = _six(name, [id, " Comment_Text", *SIX])
    reading = read_dataset([file], Columns(labels=labels))
    assert reading.dataset.labels == LABELS
    assert reading.dataset.ids == ("r1", "r2")
    _assert_targets(reading.dataset.targets, [[1] * 6, [0] * 6])
    assert reading.notes == ()
    chunk = next(stream_comments(file))
    assert (chunk.ids, chunk.texts, chunk.id_column.lower(), chunk.note) == (["r1", "r2"], ["one", "two"], "id", "")


def test_names_that_are_asked_for_are_matched_alike() -> None:
    name = _write("a.csv", "Key ,Words,TAGS\u200b,\ufeffMale,Author ", "k1,one,Rude,1,ann", "k2,two,[],0,bob")
    columns = Columns(text="words", id="KEY", labels=("rude",), label_list="tags", groups=("male",))
    dataset = read_dataset([name], columns).dataset
    assert (dataset.texts, dataset.ids, dataset.group_names) == (("one", "two"), ("k1", "k2"), ("male",))
    _assert_targets(dataset.targets, [[1], [0]])
    _assert_targets(dataset.groups, [[1], [0]])
    reading = read_dataset([name], columns)
    assert read_column(reading.files, reading.origin, "author") == ("ann", "bob")
    assert count_cells(name, "AUTHOR") == {"ann": 1, "bob": 1}
    present = columns_present(name, columns)
    assert (present.text, present.id, present.label_list) == ("Words", "Key ", "TAGS\u200b")


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (("id", "text", "toxic", "Toxic "), Columns()),
        (("id", "text", "toxic", "Toxic "), Columns(labels=("toxic",))),
        (("id", "text", "toxic\u200b", "toxic"), Columns()),
        (("id", "ID", "text", "toxic"), Columns()),
        (("id", "Id\u00a0", "text", "toxic"), Columns(id="id")),
        (("id", "text", "Text", "toxic"), Columns()),
        (("id", "text", "Text", "toxic"), Columns(text="text")),
        (("id", "text", "toxic", "male", "Male"), Columns(groups=("male",))),
        (("id", "text", "tags", "Tags"), Columns(labels=("toxic",), label_list="tags")),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_two_columns_of_one_name_are_refused(header: tuple[str, ...], columns: Columns, suffix: str) -> None:
    error = _error(_six(f"a.{suffix}", header), columns=columns)
    assert "have the same name up to case, white space and invisible characters" in error.message
    named = [name for name in header if ascii(name) in error.message]
    assert len(named) == 2
    assert error.remedy.startswith("rename or remove the others, and keep the one that holds")


@pytest.mark.parametrize("labels", [(), LABELS])
@pytest.mark.parametrize("require_all_labels", [True, False])
def test_a_misspelt_label_does_not_pass(labels: tuple[str, ...], require_all_labels: bool) -> None:
    header = ["id", "text", *LABELS]
    header[header.index("threat")] = "thraet"
    error = _error(_six("a.csv", header), columns=Columns(labels=labels), require_all_labels=require_all_labels)
    assert error.message.startswith("a.csv: no column 'threat' (did you mean thraet?); the file has: id, text, toxic")
    assert error.remedy.startswith("rename the column 'thraet' to 'threat'")
    error = _error(_write("one.csv", "id,text,toxic,mael", "1,a,0,1"), columns=Columns(groups=("male",)))
    assert "no column 'male' (did you mean mael?)" in error.message


def test_a_column_of_something_else_is_not_a_misspelt_label() -> None:
    rows = ("1,a,0,0,0,0,0,t3_x9", "2,b,1,1,1,1,1,t3_y7")
    name = _write("a.csv", "id,text,toxic,severe_toxic,obscene,insult,identity_hate,thread", *rows)
    reading = read_dataset([name])
    assert "threat" not in reading.dataset.labels
    assert reading.notes == (
        "no column for threat: the labels are toxic, severe_toxic, obscene, insult, identity_hate",
    )


def test_notes_once_that_there_are_no_ids() -> None:
    first, second = _write("a.csv", "text,toxic", "a,1"), _write("b.csv", "text,toxic", "b,0")
    expected = "no id column: the comments are numbered by row (expected id, comment_id or rev_id)"
    assert read_dataset([first]).notes == (f"a.csv has {expected}",)
    assert read_dataset([first, second]).notes == (f"a.csv and 1 more have {expected}",)
    assert next(stream_comments(first)).note == f"a.csv has {expected}"
    near = _write("near.csv", "text,toxic,coment_id", "a,1,x")
    assert "no id column (did you mean coment_id?): " in read_dataset([near]).notes[0]
    # Lines of text alone are not expected to have ids.
    assert next(stream_comments(_write("lines.txt", "a"))).note == ""


def test_keys_that_only_later_lines_have_are_not_lost() -> None:
    name = _write("a.jsonl", '{"text": "a", "toxic": 1}', '{"id": "x7", "text": "b", "toxic": 0}')
    assert read_dataset([name]).dataset.ids == ("a:1", "x7")
    assert _streamed(stream_comments(name))[0] == ["", "x7"]
    assert columns_present(_write("b.jsonl", '{"text": "a"}', '{"key": 1}'), Columns(id="key")).id == "key"


_TWO_TEXTS = "several columns may hold the text: text, comment"


_DOUBTFUL = pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"id": 1, "text": "a"}, {"Id": 2, "Text": "b"}, "the columns 'text' and 'Text' have the same name up to case"),
        ({"id": 1, "text": "a"}, {"Id": 2, "text": "b"}, "the columns 'id' and 'Id' have the same name up to case"),
        ({"id": 1, "comment": "a"}, {"id": 2, "text": "b"}, _TWO_TEXTS),
        ({"id": 1, "text": "a"}, {"id": 2, "text": "b", "comment": "c"}, _TWO_TEXTS),
        ({"id": 1, "comment_text": "a"}, {"id": 2, "text": "b"}, "'text' instead of 'comment_text'"),
        (
            {"id": 1, "text": "a"},
            {"id": 2, "comment_text": "b"},
            "the key 'comment_text' would hold the texts, but 'text'",
        ),
        (
            {"comment_id": 1, "text": "a"},
            {"id": 2, "text": "b"},
            "the key 'id' would hold the ids, but 'comment_id' held",
        ),
        ({"id": 1, "text": "a"}, {"comment_id": 2, "text": "b"}, "'comment_id' instead of 'id'"),
    ],
)


@_DOUBTFUL
@pytest.mark.parametrize(("num_between", "is_piped"), [(0, False), (CHUNK_ROWS, False), (CHUNK_ROWS, True)])
def test_a_row_of_other_keys_is_refused_on_the_way(
    first: dict[str, object], second: dict[str, object], message: str, num_between: int, *, is_piped: bool
) -> None:
    """It was scored as an empty text, or under a made-up id."""
    name = _write("a.jsonl", *map(json.dumps, (*[first] * (1 + num_between), second)))
    with refused("data.ambiguous-column") as caught:
        list(stream_comments(io.BytesIO(Path(name).read_bytes()) if is_piped else name))
    source = "standard input" if is_piped else name
    row = 2 + num_between
    assert caught.value.message.startswith(f"{source}, row {row}: {message}")
    assert caught.value.remedy


@_DOUBTFUL
def test_the_same_holds_for_the_first_rows_of_standard_input(
    first: dict[str, object], second: dict[str, object], message: str
) -> None:
    """Whose keys are known before the first row is scored: the choice may be another, the doubt is the same."""
    data = "".join(f"{json.dumps(row)}\n" for row in (first, second)).encode()
    with refused("data.ambiguous-column"):
        list(stream_comments(io.BytesIO(data)))


@pytest.mark.parametrize(
    "second",
    [
        {"id": 2, "text": None, "more": "x"},
        {"id": 2, "text": "b", "comment_id": 7},
        {"id": 2, "Title": "x"},
        {"id": 2, "text": "b", "labels": {"text": "c"}},
    ],
)
def test_rows_may_lack_keys_and_have_more(second: dict[str, object]) -> None:
    name = _write("a.jsonl", json.dumps({"id": 1, "text": "a"}), json.dumps(second))
    texts = ["a", second.get("text") or ""]
    assert _streamed(stream_comments(name))[:2] == (["1", "2"], texts)


def test_a_column_that_is_named_has_no_rivals() -> None:
    name = _write("a.jsonl", '{"id": 1, "comment": "a"}', '{"id": 2, "text": "b"}', '{"id": 3, "comment": "c"}')
    assert _streamed(stream_comments(name, Columns(text="comment")))[1] == ["a", "", "c"]


def test_a_column_of_the_recipe_that_comes_late_is_reported() -> None:
    name = _write("a.jsonl", '{"id": 1, "text": "a"}', '{"id": 2, "words": "b"}')
    with refused("data.ambiguous-column", match="row 2: the key 'words' would hold the texts, but 'text'"):
        list(stream_comments(name, usual=Columns(text="words")))


def test_rows_of_many_keys_without_the_id_take_no_longer() -> None:
    keys = {f"k{place}": 0 for place in range(MOST_COLUMNS - 2)}
    rows = [{"id": 1, "text": "a", **keys}, *[{"text": "a", **keys}] * 10]
    chunks = stream_comments(_write("a.jsonl", *map(json.dumps, rows)))
    start = time.process_time()
    assert _streamed(chunks)[0] == ["1", *[""] * 10]
    assert time.process_time() - start < 3


def test_a_stream_with_too_many_keys_is_refused() -> None:
    lines = (json.dumps({"id": row, "text": "a", f"k{row}": 0}) for row in range(MOST_COLUMNS))
    with refused("data.too-large", match="row 9999: 10,001 different keys"):
        list(stream_comments(_write("a.jsonl", *lines)))


def test_an_id_that_is_missing_is_not_that_of_another_row() -> None:
    name = _write("a.csv", "id,text", ",a", "1,b", " ,c")
    assert _streamed(stream_comments(name))[0] == ["", "1", ""]
    # The control: rows are numbered where nothing has ids.
    assert _streamed(stream_comments(_write("b.csv", "text,other", "a,", "b,")))[0] == ["1", "2"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            Columns(text="txt"),
            "train.csv: no column 'txt' (did you mean text?); the file has: id, text, toxic",
        ),
        (Columns(id="key"), "train.csv: no column 'key'; the file has: id, text, toxic"),
        (Columns(groups=("male",)), "train.csv: no column 'male'; the file has: id, text, toxic"),
        (
            Columns(labels=("toxic",), label_list="list"),
            "train.csv: no column 'list'; the file has: id, text, toxic",
        ),
        (
            Columns(label_list="toxic"),
            "the labels in column 'toxic' are not named, and must not depend on the data",
        ),
        (Columns(labels=("toxic", "toxic")), "the label 'toxic' is named twice"),
        (Columns(labels=("toxic", "rude")), "train.csv: no column 'rude'; the file has: id, text, toxic"),
    ],
)
def test_reports_a_named_column_that_is_not_there(columns: Columns, message: str) -> None:
    assert _error(_write("train.csv", "id,text,toxic", "1,a,0"), columns=columns).message == message


def test_columns_can_be_named() -> None:
    name = _write("train.csv", "key,text,words,rude,id", "k,no,yes,1,no")
    dataset = read_dataset([name], Columns(text="words", id="key", labels=("rude",))).dataset
    assert (dataset.texts, dataset.ids, dataset.labels) == (("yes",), ("k",), ("rude",))


def test_without_ids_the_rows_are_numbered() -> None:
    name = _write("train.csv", "Text,toxic", "a,0", ",0", "b,1")
    assert read_dataset([name]).dataset.ids == ("train:1", "train:3")


def test_ids_are_strings_and_may_repeat() -> None:
    pq.write_table(pa.table({"id": [7, 7, None], "text": ["a", "b", "c"], "toxic": [0, 1, 0]}), "train.parquet")
    reading = read_dataset(["train.parquet"])
    assert reading.dataset.ids == ("7", "7", "train:3")
    assert reading.notes == ("2 comments with the id of another comment",)


def _ids(name: str) -> tuple[str, ...]:
    return read_dataset([name]).dataset.ids


def test_ids_stay_as_they_are_written() -> None:
    texts, targets = list("abc"), [0, 1, 0]
    # What pandas makes of whole numbers with a gap.
    pq.write_table(pa.table({"id": [7.0, None, float("nan")], "text": texts, "toxic": targets}), "floats.parquet")
    assert _ids("floats.parquet") == ("7", "floats:2", "floats:3")
    large = [2**63 - 1, 10**18 + 1, -3]
    pq.write_table(pa.table({"id": large, "text": texts, "toxic": targets}), "large.parquet")
    assert _ids("large.parquet") == tuple(map(str, large))
    pq.write_table(pa.table({"id": [b"a7", b"007", None], "text": texts, "toxic": targets}), "bytes.parquet")
    assert _ids("bytes.parquet") == ("a7", "007", "bytes:3")
    assert _ids(_write("a.csv", "id,text,toxic", "007,a,1", "1e3,b,0", "7.0,c,0")) == ("007", "1e3", "7.0")
    lines = [{"id": id, "text": "a", "toxic": 1} for id in (7, 10**20, 7.0, "007", 1.5, " ")]
    assert _ids(_write("a.jsonl", *map(json.dumps, lines))) == ("7", str(10**20), "7", "007", "1.5", "a:6")
    # Both files of a pair are joined whatever types the ids have.
    pq.write_table(pa.table({"id": [7.0, 8.0], "comment_text": ["a", "b"]}), "test.parquet")
    labels = _write("labels.csv", "id,toxic", "8,1", "7,0")
    _assert_targets(read_dataset(["test.parquet", labels]).dataset.targets, [[0], [1]])


@pytest.mark.parametrize(
    ("id", "why"),
    [([1], "neither text nor a number"), ({"a": 1}, "neither text nor a number"), (1e17, "has lost digits")],
)
def test_a_cell_that_cannot_be_an_id_is_refused(id: object, why: str) -> None:
    lines = [{"id": 5, "text": "a", "toxic": 1}, {"id": id, "text": "b", "toxic": 1}]
    name = _write("a.jsonl", *map(json.dumps, lines))
    for read in (lambda: read_dataset([name]), lambda: list(stream_comments(name))):
        with refused("data.bad-cell") as caught:
            read()
        assert caught.value.message.startswith(f"a.jsonl, row 2: id = {id!r}: ")
        assert why in caught.value.message


def test_a_file_may_lack_labels_that_another_has() -> None:
    first = _write("first.csv", "text,toxic,threat", "a,1,0")
    second = _write("second.csv", "text,insult,toxic", "b,1,0", "c,0,1")
    columns = Columns(labels=("toxic", "threat", "insult"))
    reading = read_dataset([first, second], columns)
    _assert_targets(reading.dataset.targets, [[1, 0, NAN], [0, NAN, 1], [1, NAN, 0]])
    assert reading.notes[:2] == (
        "first.csv lacks the label insult: unknown for its 1 comment",
        "second.csv lacks the label threat: unknown for its 2 comments",
    )
    # Without names the axis is the union, in the order of Jigsaw 2018.
    assert read_dataset([second, first]).dataset.labels == ("toxic", "threat", "insult")
    error = _error(first, second, columns=Columns(labels=("toxic", "rude")))
    assert error.message == "first.csv and 1 more: no column 'rude'; the file has: text, toxic, threat, insult"


def test_evaluation_needs_one_of_the_labels() -> None:
    columns = Columns(labels=("toxic", "threat"))
    name = _write("one.csv", "text,threat", "a,1")
    assert _error(name, columns=columns).message == "one.csv: no column 'toxic'; the file has: text, threat"
    reading = read_dataset([name], columns, require_all_labels=False)
    _assert_targets(reading.dataset.targets, [[NAN, 1]])
    assert reading.notes[0] == "one.csv lacks the label toxic: unknown for its 1 comment"
    error = _error(_write("none.csv", "text,rude", "a,1"), columns=columns, require_all_labels=False)
    assert error.message == "none.csv: no column 'toxic'; the file has: text, rude"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0", 0),
        ("1", 1),
        ("0.0", 0),
        (" 1.0 ", 1),
        ("1e-1", 0.1),
        ("", NAN),
        (" ", NAN),
        ("NaN", NAN),
        ("null", NAN),
        *((word, NAN) for word in ("NA", "n/a", "#N/A", "<NA>", "None", "NULL", "nan")),
        *((word, 1) for word in ("TRUE", "True", "true", "yes", "Yes ")),
        *((word, 0) for word in ("FALSE", "False", "no", "NO")),
    ],
)
def test_reads_cells_of_csv(cell: str, value: float) -> None:
    dataset = read_dataset([_write("train.csv", "text,toxic,threat", f"a,{cell},0")]).dataset
    _assert_targets(dataset.targets, [[value, 0]])


@pytest.mark.parametrize(
    ("cell", "value"),
    [(0, 0), (1, 1), (True, 1), (False, 0), (0.25, 0.25), (None, NAN), (NAN, NAN), ("0.5", 0.5)],
)
def test_reads_cells_of_json(cell: object, value: float) -> None:
    name = _write("train.jsonl", json.dumps({"text": "a", "toxic": cell, "threat": 0}))
    _assert_targets(read_dataset([name]).dataset.targets, [[value, 0]])


@pytest.mark.parametrize("cell", ["y", "1.5", "-0.1", "inf", "1_0", "+", "0,5", "50%"])
def test_reports_a_cell_of_csv_that_is_not_a_target(cell: str) -> None:
    rows = [f"text {n},0,{n % 2}" for n in range(CHUNK_ROWS + 10)]
    name = _write("train.csv", "text,threat,toxic", *rows, f'"a\nb","0","{cell}"')
    error = _error(name)
    row = CHUNK_ROWS + 11
    assert error.message == (
        f"train.csv, row {row} (line {row + 1}): toxic = '{cell}', "
        "expected a number from 0 to 1, or an empty cell for unknown"
    )


@pytest.mark.parametrize("cell", ["x", 2, [1], {"a": 1}, -0.5, 10**40])
def test_reports_a_cell_of_json_that_is_not_a_target(cell: object) -> None:
    name = _write("train.jsonl", '{"text": "a", "toxic": 0}', json.dumps({"text": "b", "toxic": cell}))
    assert _error(name).message == (
        f"train.jsonl, row 2: toxic = {cell!r}, expected a number from 0 to 1, or an empty cell for unknown"
    )


def test_minus_one_is_only_for_the_labels_of_a_test() -> None:
    error = _error(_write("train.csv", "text,toxic", "a,0", "b,-1"))
    assert error.message == (
        "train.csv, row 2 (line 3): toxic = '-1', expected a number from 0 to 1, or an empty cell for unknown"
    )
    assert error.remedy == ("leave the cell empty for unknown (only Jigsaw 2018's test_labels.csv uses -1)")


def test_a_group_that_is_not_a_number_is_reported() -> None:
    error = _error(_write("a.csv", "text,toxic,male", "a,0,often"), columns=Columns(groups=("male",)))
    assert error.message.startswith("a.csv, row 1 (line 2): male = 'often', expected a number")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("toxic", [1, 0]),
        (" insult , toxic", [1, 1]),
        ("", [NAN, NAN]),
        (" ", [NAN, NAN]),
        ("NA", [NAN, NAN]),
        ("[]", [0, 0]),
        ("none", [0, 0]),
        ('["none"]', [0, 0]),
        ('["insult"]', [0, 1]),
        ("Toxic\u200b, INSULT", [1, 1]),
        ("['toxic', 'insult']", [1, 1]),
        ("['toxic' 'insult']", [1, 1]),
        ("[toxic, insult]", [1, 1]),
        ("('insult',)", [0, 1]),
    ],
)
def test_reads_lists_of_labels_written_as_text(cell: str, expected: list[float]) -> None:
    name = _write("train.csv", "text,tags", "a," + '"' + cell.replace('"', '""') + '"')
    columns = Columns(labels=("toxic", "insult"), label_list="tags")
    _assert_targets(read_dataset([name], columns).dataset.targets, [expected])


def test_reads_lists_of_labels() -> None:
    columns = Columns(labels=("toxic", "insult"), label_list="tags")
    lists: list[list[str] | None] = [["toxic"], [], None, ["insult", "toxic"]]
    pq.write_table(pa.table({"text": list("abcd"), "tags": lists}), "train.parquet")
    name = _write("train.jsonl", *(json.dumps({"text": "a", "tags": tags}) for tags in lists))
    texts = _write("train.csv", "text,tags", "a,toxic", "b,[]", "c,", 'd,"insult,toxic"')
    for file in ("train.parquet", name, texts):
        reading = read_dataset([file], columns)
        _assert_targets(reading.dataset.targets, [[1, 0], [0, 0], [NAN, NAN], [1, 1]])
        assert reading.notes[0] == (
            f"1 row of {file} with an empty tags: every label is unknown there; write [] or none where no label applies"
        )


@pytest.mark.parametrize("cell", ["[1, 0, 0.25]", "[1 0 .25]", "1,0,0.25", "[True, False, 0.25]", [1, 0, 0.25]])
def test_lists_of_numbers_need_the_names_of_their_labels(cell: object) -> None:
    name = _write("a.jsonl", *(json.dumps({"id": i, "text": "a", "tags": tags}) for i, tags in enumerate([cell, None])))
    lists = Columns(labels=("toxic", "insult"), label_list="tags")
    assert "--set 'data.multi_hot_labels=" in _error(name, columns=lists).remedy
    # By name, not by the order of the axis: the axis has another, and lacks one.
    columns = replace(lists, multi_hot=("insult", "threat", "Toxic"))
    _assert_targets(read_dataset([name], columns).dataset.targets, [[0.25, 1], [NAN, NAN]])


@pytest.mark.parametrize(
    ("cell", "multi_hot"),
    [
        *((cell, ()) for cell in ("[null]", "[nan]", "[None]", ["toxic", None], [None], ["toxic", " "], [None, None])),
        (["toxic", None], ("toxic", "insult")),
    ],
)
def test_an_empty_element_of_a_list_of_labels_is_refused(cell: object, multi_hot: tuple[str, ...]) -> None:
    name = _write("a.jsonl", json.dumps({"id": 1, "text": "a", "tags": cell}))
    columns = Columns(labels=("toxic", "insult"), label_list="tags", multi_hot=multi_hot)
    error = _error(name, columns=columns)
    assert error.message.endswith(": an element of this list is empty")
    assert "write the labels that apply, [] if none applies" in error.remedy


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([1, 0, 0], "[1, 0, 0]: 3 numbers, expected 2 (data.multi_hot_labels)"),
        ([1, 2], "[1, 2]: not numbers from 0 to 1, or null for unknown"),
        ([1, "toxic"], "[1, 'toxic']: not a list of labels"),
    ],
)
def test_a_bad_list_of_numbers_is_refused(cell: object, message: str) -> None:
    name = _write("a.jsonl", json.dumps({"id": 1, "text": "a", "tags": cell}))
    columns = Columns(labels=("toxic", "insult"), label_list="tags", multi_hot=("toxic", "insult"))
    assert _error(name, columns=columns).message == f"a.jsonl, row 1: tags = {message}"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(labels=("none", "rude"), label_list="tags"), "'none' is both a label and the word for no label"),
        (Columns(labels=("None", "rude"), label_list="tags"), "'none' is both a label and the word for no label"),
        (Columns(labels=("rude", "Rude ")), "the label 'rude' is named twice"),
        (Columns(labels=("rude",), multi_hot=("rude",)), "data.multi_hot_labels: no column of lists is named"),
        (Columns(labels=("rude", "odd"), label_list="tags", multi_hot=("rude",)), "data.multi_hot_labels lacks odd"),
    ],
)
def test_labels_that_cannot_be_distinguished_are_refused(columns: Columns, message: str) -> None:
    error = _error(_write("a.csv", "text,tags,rude", "a,rude,1"), columns=columns)
    assert error.message.startswith(message)
    assert error.remedy


def test_the_word_for_no_label_can_be_another_or_none() -> None:
    name = _write("a.csv", "id,text,tags", "1,a,-", "2,b,none", "3,c,None", "4,d,", "5,e,[]")
    columns = Columns(labels=("none", "rude"), label_list="tags", none_word="-")
    _assert_targets(read_dataset([name], columns).dataset.targets, [[0, 0], [1, 0], [1, 0], [NAN, NAN], [0, 0]])
    other = _write("b.csv", "id,text,tags", "1,a,None", "2,b,[]")
    columns = Columns(labels=("rude",), label_list="tags", none_word="")
    _assert_targets(read_dataset([other], columns).dataset.targets, [[NAN], [0]])


@pytest.mark.parametrize("labels", [(), ("toxic", "identity_hate")])
def test_objects_of_labels_are_read_by_their_keys(labels: tuple[str, ...]) -> None:
    rows: list[dict[str, object] | None] = [{"Toxic": 1, "identity_attack": 0.25}, None, {"identity_attack": True}]
    texts = [{"id": str(i), "comment_text": "a", "labels": row} for i, row in enumerate(rows)]
    name = _write("a.jsonl", *map(json.dumps, texts))
    expected = [[1, 0.25], [NAN, NAN], [NAN, 1]]
    dataset = read_dataset([name], Columns(labels=labels)).dataset
    assert dataset.labels == ("toxic", "identity_hate")
    _assert_targets(dataset.targets, expected)
    # As Parquet has them, and as pandas writes them into CSV.
    structs = pa.array(rows[:2], pa.struct([("Toxic", pa.int64()), ("identity_attack", pa.float64())]))
    pq.write_table(pa.table({"comment_text": ["a", "b"], "labels": structs}), "a.parquet")
    _assert_targets(read_dataset(["a.parquet"], Columns(labels=labels)).dataset.targets, expected[:2])
    flat = _write("a.csv", "id,comment_text,labels.Toxic,labels.identity_attack", "1,a,1,0.25")
    _assert_targets(read_dataset([flat], Columns(labels=labels)).dataset.targets, expected[:1])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"labels": {"toxic": "x"}}, "a.jsonl, row 2: labels.toxic = 'x', expected a number from 0 to 1"),
        ({"labels": ["toxic"]}, "a.jsonl, row 2: labels = ['toxic'], expected an object, as in other rows"),
        ({"toxic": 1}, "a.jsonl: the columns 'toxic' and 'labels.toxic' both hold 'toxic'"),
    ],
)
def test_a_bad_object_of_labels_is_refused(second: dict[str, object], message: str) -> None:
    rows = [{"id": 1, "text": "a", "labels": {"toxic": 1}}, {"id": 2, "text": "b", **second}]
    columns = Columns(labels=("toxic", "threat"))
    error = _error(_write("a.jsonl", *map(json.dumps, rows)), columns=columns, require_all_labels=False)
    assert error.message.startswith(message)


@pytest.mark.parametrize("nothing", [None, {}, "absent"])
@pytest.mark.parametrize("is_array", [False, True])
def test_objects_of_labels_may_begin_after_any_number_of_rows(nothing: object, is_array: bool) -> None:
    cell = {} if nothing == "absent" else {"labels": nothing}
    rows: list[dict[str, object]] = [{"id": index, "text": "a", **cell} for index in range(2100)]
    rows.append({"id": 2100, "text": "b", "labels": {"toxic": 1}})
    text = [json.dumps(rows)] if is_array else list(map(json.dumps, rows))
    dataset = read_dataset([_write("a.json", *text)], Columns(labels=("toxic",))).dataset
    _assert_targets(dataset.targets, [[NAN]] * 2100 + [[1]])


def test_what_stands_beside_labels_is_not_a_label() -> None:
    rows = [{"id": 1, "text": "a", "scores": {"toxic": 0.9}, "label": "x"}]
    error = _error(_write("a.jsonl", *map(json.dumps, rows)), columns=Columns(labels=("toxic",)))
    assert error.message == "a.jsonl: no column 'toxic'; the file has: id, text, scores, label"


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("0,5", "write a decimal point: 0.5"),
        ("50%", "write percentages as shares: 0.5"),
        ("12,5 %", "write percentages as shares: 0.125"),
        ("50", "divide by 100, if these are percentages"),
        ("x", "correct the cell, or leave it empty"),
    ],
)
def test_says_how_to_write_a_number(cell: str, remedy: str) -> None:
    error = _error(_write("a.csv", "id,text,toxic", f'1,a,"{cell}"'))
    assert (error.message[:30], error.remedy) == ("a.csv, row 1 (line 2): toxic =", remedy)


def test_a_number_too_large_for_a_float_is_refused() -> None:
    name = _write("a.jsonl", '{"id": 1, "text": "a", "toxic": 1' + "0" * 400 + "}")
    assert _error(name).message.startswith("a.jsonl, row 1: toxic = 1000")


def test_lists_of_labels_may_have_another_separator() -> None:
    columns = Columns(labels=("toxic", "insult"), label_list="tags", label_separator="|")
    dataset = read_dataset([_write("train.csv", "text,tags", "a,toxic|insult")], columns).dataset
    _assert_targets(dataset.targets, [[1, 1]])


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (
            "toxic,inslt",
            "a.jsonl, row 2: tags = 'toxic,inslt': the label 'inslt' is not one of those asked for "
            "(did you mean insult?)",
        ),
        ("None", "a.jsonl, row 2: tags = 'None': 'None' may mean no label or unknown"),
        ("none,toxic", "a.jsonl, row 2: tags = 'none,toxic': 'none' together with labels"),
        (",", "a.jsonl, row 2: tags = ',': not a list of labels"),
        (3, "a.jsonl, row 2: tags = 3: not a list of labels"),
        ([1, 0], "a.jsonl, row 2: tags = [1, 0]: the order of the labels in lists of numbers is not known"),
        ("[1 0]", "a.jsonl, row 2: tags = '[1 0]': the order of the labels in lists of numbers is not known"),
        ("1,0", "a.jsonl, row 2: tags = '1,0': the order of the labels in lists of numbers is not known"),
        ({"toxic": 1}, "a.jsonl, row 2: tags = {'toxic': 1}: not a list of labels"),
        (["toxic", 3], "a.jsonl, row 2: tags = ['toxic', 3]: not a list of labels"),
        ("[toxic", "a.jsonl, row 2: tags = '[toxic': not a list of labels"),
    ],
)
def test_reports_a_bad_list_of_labels(tags: object, message: str) -> None:
    name = _write("a.jsonl", '{"text": "a", "tags": []}', json.dumps({"text": "b", "tags": tags}))
    error = _error(name, columns=Columns(labels=("toxic", "insult"), label_list="tags"))
    assert error.message == message
    assert error.remedy


def test_leaves_out_comments_without_text_and_counts_them() -> None:
    name = _write("train.csv", "text,toxic", "a,1", ",0", '" \t ",0', ",1", "b,0", '"",0', "\u2003,1")
    reading = read_dataset([name])
    assert reading.dataset.texts == ("a", "b")
    assert reading.dataset.ids == ("train:1", "train:5")
    _assert_targets(reading.dataset.targets, [[1], [0]])
    assert reading.notes[0] == "3 comments without text and 2 of only white space left out of train.csv"


def test_reports_a_file_without_any_text() -> None:
    error = _error(_write("train.csv", "text,toxic", ",1", " ,0"))
    assert error.message == "train.csv: none of its 2 comments has a text"


def test_mends_what_no_tokenizer_takes_and_counts_it() -> None:
    lines = (
        r'{"text": "nul \u0000 inside", "toxic": 0}',
        r'{"text": "half \ud800 of one", "toxic": 1, "id": "\udfff"}',
        r'{"text": "whole \ud83d\ude00", "toxic": 1}',
        r'{"text": "\u0000", "toxic": 1}',
    )
    reading = read_dataset([_write("train.jsonl", *lines)])
    assert reading.dataset.texts == ("nul   inside", "half \ufffd of one", "whole \U0001f600")
    assert reading.dataset.ids == ("train:1", "\ufffd", "train:3")
    assert reading.notes == (
        "1 comment of only white space left out of train.jsonl",
        "NUL characters became spaces in 2 comments of train.jsonl",
        "lone surrogates became U+FFFD in 1 comment of train.jsonl",
    )


@pytest.mark.parametrize("text", [["a"], 123, True])
def test_reports_a_cell_that_is_not_a_text(text: object) -> None:
    name = _write("train.jsonl", '{"text": "a", "toxic": 0}', json.dumps({"text": text, "toxic": 1}))
    error = _error(name)
    assert error.message == f"train.jsonl, row 2: text = {text!r}, expected text"
    assert error.remedy.startswith("write this cell as text, in quotes")


def test_finds_labels_that_only_later_lines_have() -> None:
    name = _write("train.jsonl", '{"text": "a", "toxic": 1}', '{"text": "b", "threat": 0}')
    dataset = read_dataset([name]).dataset
    assert dataset.labels == ("toxic", "threat")
    _assert_targets(dataset.targets, [[1, NAN], [NAN, 0]])


def test_expands_globs_in_sorted_order() -> None:
    Path("data").mkdir()
    for name in ("b", "c", "a"):
        _write(f"data/{name}.csv", "id,text,toxic", f"{name},{name},0")
    reading = read_dataset(["data/*.csv"])
    assert reading.files == ("data/a.csv", "data/b.csv", "data/c.csv")
    assert reading.dataset.ids == ("a", "b", "c")
    assert read_dataset([Path.cwd() / "data" / "[bc].csv"]).dataset.ids == ("b", "c")


def test_a_file_may_be_named_like_a_glob() -> None:
    assert len(read_dataset([_write("train[1].csv", "text,toxic", "a,0")]).dataset) == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "no data files given"),
        (("data/*.csv",), "data/*.csv: no file matches"),
        (("train.csv", "train.csv"), "train.csv: given twice"),
        (("./train.csv", "tr*.csv"), "train.csv: given twice (first as ./train.csv)"),
        (("gone.parquet",), "gone.parquet: no such file"),
        (
            ("civility:starter/trian",),
            "no built-in data 'civility:starter/trian' (did you mean civility:starter/train?)",
        ),
    ],
)
def test_reports_files_that_cannot_be_meant(files: tuple[str, ...], message: str) -> None:
    _write("train.csv", "text,toxic", "a,0")
    error = _error(*files)
    assert error.message == message
    assert error.remedy


def _streamed(chunks: Any) -> tuple[list[str], list[str], int]:
    read: list[CommentChunk] = list(chunks)
    ids = [id for chunk in read for id in chunk.ids]
    texts = [text for chunk in read for text in chunk.texts]
    return ids, texts, sum(chunk.num_blank for chunk in read)


def test_streaming_gives_a_comment_for_every_row() -> None:
    name = _write("comments.csv", "rev_id,comment_text", "x,a", "y,", ",b", 'z,"  "')
    assert _streamed(stream_comments(name)) == (["x", "y", "", "z"], ["a", "", "b", ""], 2)
    assert next(iter(stream_comments(name))).id_column == "rev_id"
    assert _streamed(stream_comments(name, Columns(text="rev_id", id="comment_text")))[1] == ["x", "y", "", "z"]


def test_streaming_numbers_rows_without_ids_across_chunks() -> None:
    name = _write("comments.txt", *(f"comment {n}" for n in range(CHUNK_ROWS + 2)))
    chunks = list(stream_comments(name))
    assert [len(chunk.texts) for chunk in chunks] == [CHUNK_ROWS, 2]
    assert chunks[1].ids == ["1025", "1026"]
    assert [chunk.id_column for chunk in chunks] == ["", ""]


def test_streaming_mends_texts_as_reading_does() -> None:
    name = _write("comments.jsonl", r'{"text": "a\u0000b \ud800"}')
    assert _streamed(stream_comments(name)) == (["1"], ["a b \ufffd"], 0)


@pytest.mark.parametrize(
    ("data", "text", "expected"),
    [
        (b"a\n\nb\n", "", (["1", "2", "3"], ["a", "", "b"], 1)),
        (b"id,comment_text\n7,a\n", "", (["7"], ["a"], 0)),
        (b"id,words\n7,a\n", "words", (["7"], ["a"], 0)),
        (b'{"id": 5, "body": "a"}\n', "", (["5"], ["a"], 0)),
    ],
)
def test_streams_standard_input(data: bytes, text: str, expected: tuple[list[str], list[str], int]) -> None:
    assert _streamed(stream_comments(io.BytesIO(data), Columns(text=text))) == expected


def test_streaming_without_a_text_column_fails_at_once() -> None:
    name = _write("comments.csv", "a,b", "1,2")
    with refused("data.no-column") as caught:
        stream_comments(name)
    assert caught.value.message == "comments.csv: no text column; the file has: a, b"
    with refused("data.no-column", match=r"^standard input: no column 'words'; the file has: text"):
        stream_comments(io.BytesIO(b"a\n"), Columns(text="words"))
    with refused("data.no-column", match=r"^standard input: no column 'words'; the file has: id, comment_text"):
        stream_comments(io.BytesIO(b"id,comment_text\n1,a\n"), Columns(text="words"))


def test_each_comment_knows_the_row_it_stood_in(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.jsonl"
    first.write_text('text,toxic\na,0\n,1\n" ",1\nb,1\n', encoding="utf-8")
    second.write_text('{"text": "c\\u0000", "toxic": 1}\n{"text": "d\\ud800", "toxic": 0}\n', encoding="utf-8")
    reading = read_dataset([first, second])
    assert reading.dataset.texts == ("a", "b", "c ", "d\ufffd")
    assert reading.origin.file.tolist() == [0, 0, 1, 1]
    assert reading.origin.row.tolist() == [1, 4, 1, 2]
    assert reading.repairs == (("missing", 0, 2), ("white", 0, 3), ("nul", 1, 1), ("surrogates", 1, 2))


def test_comments_without_labels_are_kept_where_asked(tmp_path: Path) -> None:
    labelled, bare = tmp_path / "labelled.csv", tmp_path / "bare.csv"
    labelled.write_text("text,toxic\na,0\nb,-1\n", encoding="utf-8")
    bare.write_text("text\nc\n", encoding="utf-8")
    reading = read_dataset([bare, labelled], keep_unlabelled=True)
    assert reading.dataset.texts == ("c", "a", "b")
    np.testing.assert_array_equal(reading.dataset.targets[:, 0], [np.nan, 0, np.nan])
    assert any("-1 in 1 row of" in note for note in reading.notes)
    with refused("data.no-column", match="no label columns"):
        read_dataset([bare])
    with refused("data.bad-cell", match="toxic = '-1'"):
        read_dataset([labelled])
    assert read_dataset([bare], keep_unlabelled=True).dataset.targets.shape == (1, 0)


def test_comments_never_scored_are_kept_where_asked(tmp_path: Path) -> None:
    comments, labels = tmp_path / "test.csv", tmp_path / "test_labels.csv"
    comments.write_text("id,comment_text\n1,a\n2,b\n3,c\n", encoding="utf-8")
    labels.write_text("id,toxic\n2,-1\n1,1\n", encoding="utf-8")
    assert read_dataset([comments, labels]).dataset.texts == ("a",)
    kept = read_dataset([comments, labels], keep_unlabelled=True)
    assert kept.dataset.texts == ("a", "b", "c")
    np.testing.assert_array_equal(kept.dataset.targets[:, 0], [1, np.nan, np.nan])
    assert [note.split(" of ")[0] for note in kept.notes[:2]] == ["1 comment", "1 comment"]
    assert all(" unknown: " in note for note in kept.notes[:2])


def test_marks_and_cells_of_a_file_can_be_asked_for(tmp_path: Path) -> None:
    marked, plain = tmp_path / "marked.csv", tmp_path / "plain.csv.gz"
    marked.write_text("\ufefftext,lang\na,es\nb,it\nc,es\nd,\n", encoding="utf-8")
    plain.write_bytes(gzip.compress(b"text\na\n"))
    assert (begins_with_mark(str(marked)), begins_with_mark(str(plain))) == (True, False)
    assert count_cells(str(marked), "lang") == {"es": 2, "it": 1}
    assert count_cells(str(plain), "lang") is None


LABELS_HEADER = "id," + ",".join(LABELS)


def _column(*files: str, column: str = "author") -> tuple[str, ...]:
    reading = read_dataset(files, require_all_labels=False)
    return read_column(reading.files, reading.origin, column)


def test_a_column_is_read_beside_the_comments() -> None:
    first = _write("a.csv", "comment_text,toxic,author", "one,1,ann", "two,0,", '"three",0,"a, b"')
    second = _write("b.csv", "author,comment_text,toxic", "bob,four,1")
    assert _column(first) == ("ann", "", "a, b")
    assert _column(second, first) == ("bob", "ann", "", "a, b")
    assert _column(first, column="comment_text") == ("one", "two", "three"), "any column will do"


def test_a_column_keeps_its_place_where_comments_were_left_out() -> None:
    texts = _write("test.csv", "id,comment_text,author", "a,one,ann", "b,two,bob", "c,three,cid")
    labels = _write("test_labels.csv", LABELS_HEADER, "a,1,0,0,0,0,0", "b,-1,-1,-1,-1,-1,-1", "c,0,0,0,0,0,0")
    for files in ((texts, labels), (labels, texts)):
        reading = read_dataset(files)
        assert reading.dataset.texts == ("one", "three"), "the second was never scored"
        assert read_column(reading.files, reading.origin, "author") == ("ann", "cid")


def test_a_column_over_more_than_one_chunk() -> None:
    rows = [f"text {i},{i % 2},author {i}" for i in range(CHUNK_ROWS + 5)]
    cells = _column(_write("a.csv", "comment_text,toxic,author", *rows))
    assert cells == tuple(f"author {i}" for i in range(CHUNK_ROWS + 5))


def test_a_file_without_the_column_has_empty_cells() -> None:
    first = _write("a.csv", "comment_text,toxic,author", "one,1,ann")
    second = _write("b.csv", "comment_text,toxic", "two,0")
    assert _column(first, second) == ("ann", "")
    assert _column(second, first) == ("", "ann")


def test_a_column_of_json_lines_and_of_parquet_is_text() -> None:
    lines = [
        {"text": "one", "toxic": 1},
        {"text": "two", "toxic": 0, "author": 7},
        {"text": "three", "toxic": 0, "author": None},
    ]
    first = _write("a.jsonl", *map(json.dumps, lines))
    assert _column(first) == ("", "7", "")
    table = pa.table({"comment_text": ["one", "two"], "toxic": [1, 0], "author": pa.array([True, None])})
    pq.write_table(table, "b.parquet")
    assert _column("b.parquet") == ("True", "")


def test_a_column_that_no_file_has_is_reported() -> None:
    first = _write("a.csv", "comment_text,toxic,author", "one,1,ann")
    with refused("data.no-column") as caught:
        _column(first, column="auhtor")
    assert caught.value.message == "no column 'auhtor' to slice by (did you mean author?)"
    assert caught.value.remedy == "the files have: author, comment_text, toxic"


def test_comments_of_no_file_have_no_columns() -> None:
    built_in = read_dataset(["civility:starter/held-out"])
    for origin in (None, built_in.origin):
        with refused("data.no-column") as caught:
            read_column(built_in.files, origin, "author")
        assert (caught.value.message, caught.value.remedy) == (
            "no column 'author' to slice by",
            "give the file with --data",
        )


def test_a_dialect_may_have_labels_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spam = dialects.Dialect(
        "spam",
        needs=frozenset({"body"}),
        marks=frozenset({"is_spam"}),
        labels=(("is_spam", "spam"), ("rude", "insult")),
    )
    monkeypatch.setattr(dialects, "DIALECTS", (spam, *dialects.DIALECTS))
    file = tmp_path / "mail.csv"
    file.write_text("body,is_spam,rude\nbuy now,1,0\nyou fool,0,1\n", encoding="utf-8")
    dataset = read_dataset([file]).dataset
    assert dataset.labels == ("insult", "spam")
    assert dataset.targets.tolist() == [[0, 1], [1, 0]]
