"""Augmentation: of training alone, emitted, recorded beside what was read, and resumed by the same one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from civility.data.dataset import Dataset
from civility.errors import Interrupted
from civility.run import RunDirectory
from civility.run.seen_comments import Seen, seen_by
from civility.training.events import EpochJudged, Event, RunPlanned
from civility.training.train_run import augmented, train

from ..conftest import differing
from ..refusals import refused
from .conftest import Small

CHANGES = {"data__augmentation": ["typos", "case"], "data__augmentation_share": 0.5}


def twice(training: Dataset) -> Dataset:
    return training.joined(training)


def test_without_augmentation_nothing_is_touched(small: Small) -> None:
    recipe = small.recipe()
    data = small.prepare(recipe)
    assert augmented(recipe, data) is data


def test_training_alone_gets_changed_copies(small: Small) -> None:
    recipe = small.recipe(**CHANGES)
    data = small.prepare(recipe)
    more = augmented(recipe, data)
    assert more.validation is data.validation
    assert more.original is data.training
    num = len(data.training)
    assert more.training.texts[:num] == data.training.texts
    num_copies = len(more.training) - num
    assert num / 3 < num_copies <= num / 2 + 1
    assert (more.added, more.notes) == ((f"{num_copies} changed copies",), ())
    assert augmented(recipe, data).training.digest == more.training.digest
    other = small.recipe(**CHANGES, seed=7, data__split_seed=42)
    assert augmented(other, small.prepare(other)).training.digest != more.training.digest


def test_what_equals_a_validation_comment_is_left_out(small: Small) -> None:
    recipe = small.recipe()
    data = small.prepare(recipe)
    # A comment that stands on both sides already is not of augmentation's making.
    both = replace(data, training=data.training.joined(data.validation.select([0])))

    def leaking(training: Dataset) -> Dataset:
        held_out = data.validation.select([0, 1, 2])
        return training.joined(replace(held_out, texts=tuple(f" {text.upper()}" for text in held_out.texts)))

    more = augmented(recipe, both, leaking)
    assert more.training.texts == (*both.training.texts, f" {data.validation.texts[0].upper()}")
    assert more.notes == ("2 comments from augmentation left out: validation has equal ones",)


def test_a_hook_that_returns_something_else_is_reported(small: Small) -> None:
    recipe = small.recipe()
    data = small.prepare(recipe)

    def without_a_label(training: Dataset) -> Dataset:
        return Dataset(training.texts, training.targets[:, :1], training.ids, training.labels[:1])

    with refused("training.augment", r"^augment: returned comments with labels toxic and groups none; they had"):
        augmented(recipe, data, without_a_label)
    with refused("training.augment", r"^augment: returned no comments\n"):
        augmented(recipe, data, lambda training: training.select([]))


def test_a_run_with_a_hook_is_resumed_by_the_same_hook_alone(small: Small, tmp_path: Path) -> None:
    recipe = small.recipe(training__epochs=2, **CHANGES)
    data = small.prepare(recipe)
    emitted: list[Event] = []
    whole = train(recipe, data, tmp_path / "whole" / "run", augment=twice, listen=emitted.append)
    (planned,) = [event for event in emitted if isinstance(event, RunPlanned)]
    assert planned.num_training == 2 * len(augmented(recipe, data).training)

    def stop(event: Event) -> None:
        if isinstance(event, EpochJudged):
            raise Interrupted("enough", 2)

    with pytest.raises(Interrupted):
        train(recipe, data, tmp_path / "cut" / "run", augment=twice, listen=stop)
    with refused("training.no-usable-checkpoint", "the training comments had the digest"):
        train(recipe, data, tmp_path / "cut" / "run", begin="resume")
    train(recipe, data, tmp_path / "cut" / "run", begin="resume", augment=twice)
    assert differing(whole.path, tmp_path / "cut" / "run") == []


def test_a_run_has_seen_the_comments_that_its_training_was_made_of(small: Small, tmp_path: Path) -> None:
    recipe = small.recipe(training__epochs=1, **CHANGES)
    data = small.prepare(recipe)
    run: RunDirectory = train(recipe, data, tmp_path / "run", augment=twice)
    recorded = run.environment().data.training
    assert (recorded.num_comments, recorded.digest) == (len(data.training), data.training.digest)
    seen = seen_by(str(run.path), [*data.training.texts, *data.validation.texts, "never"])
    assert isinstance(seen, Seen)
    np.testing.assert_array_equal(seen.trained, [True] * 71 + [False] * 10)
    np.testing.assert_array_equal(seen.validated, [False] * 71 + [True] * 9 + [False])
