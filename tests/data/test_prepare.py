"""The comments of a run: read, split, and refused if training on them makes no sense."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from civility.data.prepare import PreparedData, Wanted, prepare
from civility.data.reading import Columns
from civility.errors import UserError

from ..refusals import refused

COLUMNS = Columns(labels=("toxic", "threat"))
Row = tuple[str, object, object]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _write(name: str, rows: Iterable[Row], labels: Sequence[str] = ("toxic", "threat")) -> str:
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "comment_text", *labels])
        writer.writerows((f"{name} {number}", *row) for number, row in enumerate(rows))
    return name


def _rows(num: int, start: int = 0) -> list[Row]:
    return [(f"comment number {i}", i % 2, int(i % 5 == 0)) for i in range(start, start + num)]


def _error(files: Sequence[str], validation: float | Sequence[str], columns: Columns = COLUMNS) -> UserError:
    with pytest.raises(UserError) as caught:
        prepare(Wanted(files, validation, columns, 42))
    return caught.value


def test_a_share_is_held_out() -> None:
    data = prepare(Wanted([_write("all.csv", _rows(200))], 0.1, COLUMNS, 42))
    assert (len(data.training), len(data.validation)) == (180, 20)
    assert sorted(data.training.texts + data.validation.texts) == sorted(text for text, _, _ in _rows(200))
    assert data.training.labels == data.validation.labels == ("toxic", "threat")
    assert data.files == data.validation_files == ("all.csv",)
    assert data.notes == ()


def test_the_share_held_out_is_a_function_of_the_seed() -> None:
    name = _write("all.csv", _rows(200))
    first, again, other = (prepare(Wanted([name], 0.1, COLUMNS, seed)).validation.texts for seed in (42, 42, 43))
    assert first == again
    assert first != other


def test_validation_files_are_kept_apart() -> None:
    train, held = _write("train.csv", _rows(40)), _write("held.csv", _rows(20, start=100))
    data = prepare(Wanted([train], [held], COLUMNS, 42))
    assert data.training.texts == tuple(text for text, _, _ in _rows(40))
    assert data.validation.texts == tuple(text for text, _, _ in _rows(20, start=100))
    assert (data.files, data.validation_files, data.notes) == (("train.csv",), ("held.csv",), ())


def test_validation_files_are_read_by_the_names_of_the_labels() -> None:
    train = _write("train.csv", _rows(40))
    held = _write("held.csv", [(text, threat, toxic) for text, toxic, threat in _rows(20, 100)], ("threat", "toxic"))
    data = prepare(Wanted([train], [held], COLUMNS, 42))
    expected = np.array([row[1:] for row in _rows(20, 100)], dtype=np.float32)
    np.testing.assert_array_equal(data.validation.targets, expected)
    assert not np.array_equal(expected[:, ::-1], expected), "the control: the order of columns matters"


def test_without_names_the_axis_of_training_is_that_of_validation() -> None:
    train = _write("train.csv", _rows(40))
    held = _write("held.csv", [(*row, 1) for row in _rows(20, 100)], ("toxic", "threat", "insult"))  # type: ignore[misc]
    data = prepare(Wanted([train], [held], Columns(), 42))
    assert data.validation.labels == data.training.labels == ("toxic", "threat")


def test_a_label_that_validation_files_lack_is_unknown_there() -> None:
    train = _write("train.csv", _rows(40))
    held = _write("held.csv", [row[:2] for row in _rows(20, 100)], ("toxic",))  # type: ignore[misc]
    data = prepare(Wanted([train], [held], COLUMNS, 42))
    assert np.isnan(data.validation.targets[:, 1]).all()


def test_no_training_data_is_refused() -> None:
    error = _error([], 0.1)
    assert (error.message, error.remedy) == ("no training data", "give --data FILE, or data.files in the recipe")


def test_a_label_without_a_positive_in_training_cannot_be_learned() -> None:
    rows: list[Row] = [(text, toxic, "" if i < 3 else 0) for i, (text, toxic, _) in enumerate(_rows(40))]
    error = _error([_write("train.csv", rows)], [_write("held.csv", _rows(20, 100))])
    assert error.message == ("threat has no positive comment in training (0 of 37 known), so it cannot be learned")
    assert error.remedy == "add comments that have the label, or leave it out (data.labels)"


def test_one_positive_in_training_is_enough_to_start() -> None:
    rows: list[Row] = [(text, toxic, 0.5 if i == 0 else 0.49) for i, (text, toxic, _) in enumerate(_rows(40))]
    data = prepare(Wanted([_write("train.csv", rows)], [_write("held.csv", _rows(20, 100))], COLUMNS, 42))
    assert (data.training.targets[:, 1] >= 0.5).sum() == 1


@pytest.mark.parametrize("value", [0, 0.4, 1, 0.5, ""])
def test_one_label_that_can_be_measured_is_enough(value: object) -> None:
    held = _write("held.csv", [(text, toxic, value) for text, toxic, _ in _rows(20, 100)])
    assert len(prepare(Wanted([_write("train.csv", _rows(40))], [held], COLUMNS, 42)).validation) == 20


def test_validation_that_measures_nothing_is_refused() -> None:
    held = _write("held.csv", [(text, 0, 1) for text, _, _ in _rows(20, 100)])
    error = _error([_write("train.csv", _rows(40))], [held])
    assert error.message == (
        "no label has both a positive and a negative comment in validation, so nothing can be measured"
    )
    assert error.remedy == "give a larger validation share or another validation file (--validation)"


def test_texts_that_are_also_in_training_are_kept() -> None:
    held = _write("held.csv", [("Comment   NUMBER 3", 1, 0), *_rows(1_000, 1_000)])
    assert len(prepare(Wanted([_write("train.csv", _rows(40))], [held], COLUMNS, 42)).validation) == 1_001


def test_the_notes_of_both_readings_are_kept() -> None:
    train = _write("train.csv", [*_rows(40), ("", 1, 0)])
    held = _write("held.csv", [*_rows(20, 100), ("  ", 1, 0), ("", 0, 0)])
    notes = prepare(Wanted([train], [held], COLUMNS, 42)).notes
    assert len([note for note in notes if "train.csv" in note]) == 1
    assert len([note for note in notes if "held.csv" in note]) >= 1
    assert prepare(Wanted([_write("a.csv", _rows(40))], [_write("b.csv", _rows(20, 100))], COLUMNS, 42)).notes == ()


@pytest.mark.parametrize(("label", "found"), [("=cmd", "begins with '='"), ("a\x1bb", "has a control character")])
def test_a_label_that_cannot_be_a_column_is_refused(label: str, found: str) -> None:
    name = _write("train.csv", _rows(40), (label, "threat"))
    with refused("data.bad-label", found):
        prepare(Wanted([name], 0.1, Columns(labels=(label,)), 42))


@pytest.mark.parametrize("share", [0, 1, 1.5, -0.1])
def test_an_impossible_share_is_refused(share: float) -> None:
    error = _error([_write("all.csv", _rows(40))], share)
    assert error.message == f"cannot hold out {share:g} of the comments"


def test_a_missing_validation_file_is_refused() -> None:
    error = _error([_write("train.csv", _rows(40))], ["hold.csv"])
    assert error.message.startswith("hold.csv: no such file")


def _fold(name: str, fold: int, *, seed: int = 42, validation: float | Sequence[str] = 0.1) -> PreparedData:
    return prepare(Wanted([name], validation, COLUMNS, seed, folds=4, fold=fold))


def test_each_comment_is_in_validation_in_one_fold_and_in_training_in_the_others() -> None:
    name = _write("all.csv", _rows(80))
    folds = [_fold(name, number) for number in (1, 2, 3, 4)]
    assert sorted(text for fold in folds for text in fold.validation.texts) == sorted(row[0] for row in _rows(80))
    for fold in folds:
        assert not set(fold.training.texts) & set(fold.validation.texts)
        assert len(fold.training) + len(fold.validation) == 80
        assert fold.notes == ()
    assert _fold(name, 1, seed=43).validation.texts != folds[0].validation.texts


def test_folds_replace_validation_files() -> None:
    name, held = _write("all.csv", _rows(80)), _write("held.csv", _rows(20, 100))
    data = _fold(name, 2, validation=[held])
    assert data.validation.texts == _fold(name, 2).validation.texts
    assert data.notes == ("data.validation (held.csv) is not used: fold 2 of 4 is used for validation",)


@pytest.mark.parametrize(
    ("folds", "fold", "message", "remedy"),
    [
        (
            4,
            5,
            "data.fold = 5, expected a fold from 1 to 4 (data.folds)",
            "choose one of these folds, or set data.folds",
        ),
        (1, 1, "data.folds = 1: one fold would leave nothing to train on", "give 2 or more, or 0 for none"),
        (0, 2, "data.fold = 2 without data.folds", "set the number of folds: --set data.folds=5"),
    ],
)
def test_an_impossible_fold_is_refused(folds: int, fold: int, message: str, remedy: str) -> None:
    # Before the file is read, which is not there.
    with refused("data.conflicting-settings") as caught:
        prepare(Wanted(["none.csv"], 0.1, COLUMNS, 42, folds=folds, fold=fold))
    assert (caught.value.message, caught.value.remedy) == (message, remedy)


def test_pseudo_labels_are_added_to_training_as_they_are() -> None:
    name = _write("all.csv", _rows(80))
    pseudo = _write("pseudo.csv", [("a new one", 0.25, 0.75), ("another", 0.9, "")])
    plain = prepare(Wanted([name], 0.1, COLUMNS, 42))
    data = prepare(Wanted([name], 0.1, COLUMNS, 42, pseudo_labels=[pseudo]))
    assert data.validation.digest == plain.validation.digest
    assert data.training.texts == (*plain.training.texts, "a new one", "another")
    np.testing.assert_array_equal(data.training.targets[:-2], plain.training.targets)
    np.testing.assert_array_equal(data.training.targets[-2:], np.array([[0.25, 0.75], [0.9, np.nan]], dtype=np.float32))
    assert (data.added, data.notes) == (("2 with pseudo-labels",), ())
    assert plain.added == ()


def test_pseudo_labels_of_validation_comments_are_left_out() -> None:
    name = _write("all.csv", _rows(80))
    held_out = prepare(Wanted([name], 0.1, COLUMNS, 42)).validation.texts
    rows: list[Row] = [(f" {held_out[0].upper()}\n", 1, 0), (held_out[1], 0, 1), ("a new one", 1, 0)]
    data = prepare(Wanted([name], 0.1, COLUMNS, 42, pseudo_labels=[_write("pseudo.csv", rows)]))
    assert data.training.texts[72:] == ("a new one",)
    assert data.notes == ("2 comments with pseudo-labels left out: validation has equal ones, up to case and spaces",)
    assert data.added == ("1 with pseudo-labels",)


def test_files_of_pseudo_labels_have_columns_and_labels_of_their_own() -> None:
    Path("mine.jsonl").write_text(
        "".join(
            json.dumps({"id": text[-2:], "body_text": text, "toxic": toxic, "threat": int(not toxic)}) + "\n"
            for text, toxic, _ in _rows(40)
        )
    )
    one = _write("one.csv", [("first", 0.5)], ("toxic",))  # type: ignore[list-item]
    other = _write("other.csv", [("second", 0.5, 0.25)], ("threat", "toxic"))
    columns = Columns(text="body_text", labels=("toxic", "threat"))
    data = prepare(Wanted(["mine.jsonl"], 0.1, columns, 42, pseudo_labels=[one, other]))
    np.testing.assert_array_equal(data.training.targets[-2:], np.array([[0.5, np.nan], [0.25, 0.5]], dtype=np.float32))
    assert data.notes[0] == "one.csv lacks the label threat: unknown for its 1 comment"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (("comment_text", "rude"), "no column 'toxic'; the file has: comment_text, rude"),
        (("id", "toxic"), "labels without comments; the file has: id, toxic"),
    ],
)
def test_a_file_without_pseudo_labels_is_refused(header: tuple[str, str], message: str) -> None:
    Path("pseudo.csv").write_text(f"{','.join(header)}\nsome,0.5\n")
    with refused("data.no-column") as caught:
        prepare(Wanted([_write("all.csv", _rows(40))], 0.1, COLUMNS, 42, pseudo_labels=["pseudo.csv"]))
    assert caught.value.message == f"data.pseudo_labels: pseudo.csv: {message}"
    assert caught.value.remedy.endswith(
        "'civility predict RUN --data FILE --out SCORES --keep-text' writes a file with both"
    )
