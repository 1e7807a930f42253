"""Dataset: what it refuses, and what its digest sees."""

import dataclasses

import numpy as np
import pytest

from civility.arrays import Float32s
from civility.data.dataset import Dataset, count_targets

NAN = float("nan")


def _array(*rows: tuple[float, ...]) -> Float32s:
    return np.array(rows, dtype=np.float32)


def _dataset() -> Dataset:
    return Dataset(
        texts=("a fine day", "you fool", "so what"),
        targets=_array((0, 0), (1, 0.25), (NAN, 0)),
        ids=("1", "2", "3"),
        labels=("toxic", "threat"),
        groups=_array((1,), (NAN,), (0,)),
        group_names=("female",),
    )


def test_has_a_length_and_keeps_unknown_as_nan() -> None:
    dataset = _dataset()
    assert len(dataset) == 3
    assert np.isnan(dataset.targets[2, 0])
    assert np.isnan(dataset.groups[1, 0])


def test_counts_of_targets_leave_out_what_is_unknown() -> None:
    targets = np.array([[1, np.nan], [0.5, np.nan], [0.49, 0], [np.nan, np.nan]], dtype=np.float32)
    positive, known = count_targets(targets)
    assert (positive.tolist(), known.tolist()) == ([2, 0], [3, 1])


def test_has_no_groups_unless_given() -> None:
    dataset = Dataset(("a",), _array((0,)), ("1",), ("toxic",))
    assert dataset.groups.shape == (1, 0)
    assert dataset.group_names == ()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("targets", _array((0, 0)), r"targets has shape \(1, 2\), expected \(3, 2\)"),
        ("ids", ("1", "2"), r"ids has shape \(2,\), expected \(3,\)"),
        ("groups", _array((1,)), r"groups has shape \(1, 1\), expected \(3, 1\)"),
        ("labels", ("toxic", "toxic"), "labels holds a name twice: toxic, toxic"),
        ("targets", _array((0, 0), (1, 1.5), (0, 0)), r"targets holds a value outside \[0, 1\]"),
        ("targets", _array((0, 0), (-1, 0), (0, 0)), r"targets holds a value outside \[0, 1\]"),
        ("groups", _array((2,), (0,), (0,)), r"groups holds a value outside \[0, 1\]"),
        ("targets", np.zeros((3, 2)), "targets is float64, expected float32"),
    ],
)
def test_refuses(field: str, value: object, message: str) -> None:
    parts = {f.name: getattr(_dataset(), f.name) for f in dataclasses.fields(Dataset)}
    with pytest.raises(ValueError, match=message):
        Dataset(**{**parts, field: value})


def test_selects_rows_in_the_order_asked_for() -> None:
    chosen = _dataset().select([2, 0])
    assert chosen.texts == ("so what", "a fine day")
    assert chosen.ids == ("3", "1")
    np.testing.assert_array_equal(chosen.targets, _array((NAN, 0), (0, 0)))
    np.testing.assert_array_equal(chosen.groups, _array((0,), (1,)))
    assert chosen.labels == ("toxic", "threat")
    assert chosen.group_names == ("female",)


def test_digest_is_the_same_for_equal_content_and_on_every_machine() -> None:
    assert _dataset().digest == _dataset().digest
    assert _dataset().digest == "sha256:e02526e7713326b4d1f077ef1bdd0cae73ddba189d1bd550ab1da502ca2d5e9f"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("texts", ("a fine day", "you fool", "so what?")),
        ("texts", ("a fine dayyou", " fool", "so what")),
        ("ids", ("1", "2", "4")),
        ("labels", ("toxic", "insult")),
        ("targets", _array((0, 0), (1, 0.25), (0, 0))),
        ("groups", _array((1,), (0,), (0,))),
        ("group_names", ("male",)),
    ],
)
def test_digest_sees_every_part(field: str, value: object) -> None:
    parts = {f.name: getattr(_dataset(), f.name) for f in dataclasses.fields(Dataset)}
    assert Dataset(**{**parts, field: value}).digest != _dataset().digest


def test_digest_does_not_depend_on_the_bits_of_nan() -> None:
    other = np.array([0x7FC00001], dtype=np.uint32).view(np.float32)
    dataset = _dataset()
    targets = dataset.targets.copy()
    targets[2, 0] = other[0]
    assert targets.tobytes() != dataset.targets.tobytes()
    assert dataclasses.replace(dataset, targets=targets).digest == dataset.digest
