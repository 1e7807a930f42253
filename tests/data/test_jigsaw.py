"""The real Jigsaw files: shapes and rates only; never a word of their text."""

import os
from pathlib import Path

import numpy as np
import pytest

from civility.audit.copies import find_copies
from civility.audit.signs import rows_with_signs
from civility.data.dataset import contradictions, text_digests
from civility.data.dialects import LABELS
from civility.data.reading import Columns, read_dataset, stream_comments
from civility.data.splits import split

pytestmark = [
    pytest.mark.jigsaw,
    pytest.mark.skipif("CIVILITY_DATA" not in os.environ, reason="CIVILITY_DATA names no folder of real data"),
]


def _path(name: str) -> Path:
    return Path(os.environ["CIVILITY_DATA"]).resolve() / name


def test_reads_and_splits_the_training_data() -> None:
    dataset = read_dataset([_path("jigsaw-2018/train.parquet")]).dataset
    assert dataset.labels == LABELS
    assert len(dataset) == 69_068
    assert not np.isnan(dataset.targets).any()
    assert dataset.targets.mean(axis=0)[0] == pytest.approx(0.186, abs=0.001)
    rows, held_out = split(dataset, 0.1, 0)
    assert len(held_out) == pytest.approx(6907, abs=30)
    training, validation = dataset.select(rows), dataset.select(held_out)
    assert not np.isin(text_digests(validation.texts), text_digests(training.texts)).any()
    np.testing.assert_allclose(validation.targets.mean(axis=0), training.targets.mean(axis=0), rtol=0.1)


def test_reads_files_of_the_official_shape() -> None:
    train = read_dataset([_path("jigsaw-2018/kaggle-shape-train.csv")])
    assert (len(train.dataset), train.dataset.labels) == (400, LABELS)
    names = ["jigsaw-2018/kaggle-shape-test.csv", "jigsaw-2018/kaggle-shape-test_labels.csv"]
    test = read_dataset([_path(name) for name in names])
    swapped = read_dataset([_path(name) for name in reversed(names)])
    assert test.dataset.digest == swapped.dataset.digest
    assert len(test.notes) == 1
    assert "345 comments" in test.notes[0]
    assert len(test.dataset) == 600 - 345
    assert not np.isnan(test.dataset.targets).any()


def test_reads_the_later_challenges_onto_the_same_axis() -> None:
    multilingual = read_dataset([_path("jigsaw-2020/validation.parquet")]).dataset
    assert multilingual.labels == ("toxic",)
    soft = read_dataset([_path("civil-comments/subset.parquet")], Columns(labels=LABELS), require_all_labels=False)
    assert soft.dataset.targets.shape == (9900, 6)
    assert 0 < np.mean((soft.dataset.targets[:, 0] > 0) & (soft.dataset.targets[:, 0] < 1)) < 1
    assert np.isnan(soft.dataset.targets[:, 1:]).all()
    assert any("lacks the labels severe_toxic" in note for note in soft.notes)


def test_streams_files_of_other_shapes() -> None:
    chunks = stream_comments(_path("bias/madlibs-77k-english.parquet"))
    assert sum(len(chunk.texts) for chunk in chunks) == 76_564
    chunks = stream_comments(_path("hatecheck/english.csv"), Columns(text="test_case", id="case_id"))
    assert sum(len(chunk.texts) for chunk in chunks) == 3728


def test_the_audits_eyes_see_what_is_known_of_the_training_data() -> None:
    dataset = read_dataset([_path("jigsaw-2018/train.parquet")], keep_unlabelled=True).dataset
    rows = np.arange(0, len(dataset), 7)
    signs = rows_with_signs(dataset.texts)
    assert len(signs["long_word"]) == pytest.approx(393, abs=2)
    assert 0 < len(signs["replacement_character"]) <= 4
    copies = find_copies([dataset.texts[row] for row in rows])
    disagree = contradictions(copies.text_of_row, dataset.targets[rows])
    assert len(disagree) == len(rows) - len(copies.repeats)
    assert len(copies.near) > 0
