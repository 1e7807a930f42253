"""Changed copies: as many as asked for, the same every time, with the targets of what they are copies of."""

import numpy as np
import pytest

from civility.data.dataset import Dataset
from civility.evaluation.perturb import PERTURBATIONS, changed_copies

from ..refusals import refused


def _dataset(num: int = 60) -> Dataset:
    targets = np.random.default_rng(0).random((num, 2)).astype(np.float32)
    targets[::3, 1] = np.nan
    texts = tuple(f"Somebody wrote comment number {i} about the garden" if i % 10 else "..." for i in range(num))
    groups = targets[:, :1].copy()
    return Dataset(texts, targets, tuple(f"c{i}" for i in range(num)), ("toxic", "threat"), groups, ("anyone",))


def test_copies_have_the_targets_of_their_comments() -> None:
    dataset = _dataset()
    copies = changed_copies(dataset, ["leetspeak", "typos"], 1.0, 42)
    assert 45 <= len(copies) <= 54, "of 6 comments without a letter there is nothing to change"
    for row, id in enumerate(copies.ids):
        name, kind = id.split(":")
        of = int(name[1:])
        assert kind in ("leetspeak", "typos")
        assert copies.texts[row] != dataset.texts[of]
        np.testing.assert_array_equal(copies.targets[row], dataset.targets[of])
        np.testing.assert_array_equal(copies.groups[row], dataset.groups[of])
    assert {id.split(":")[1] for id in copies.ids} == {"leetspeak", "typos"}


def test_copies_are_a_function_of_the_seed() -> None:
    first, again, other = (changed_copies(_dataset(), ["typos", "case"], 0.5, seed) for seed in (1, 1, 2))
    assert first.digest == again.digest
    assert first.digest != other.digest
    assert first.ids != other.ids


def test_so_many_comments_are_copied_as_asked_for() -> None:
    for share, least, most in ((0.1, 3, 6), (0.5, 22, 30)):
        assert least <= len(changed_copies(_dataset(), ["harmless_text"], share, 7)) <= most
    assert not len(changed_copies(_dataset(60).select(range(0, 60, 10)), ["typos"], 1.0, 7))


def test_every_perturbation_can_be_asked_for() -> None:
    copies = changed_copies(_dataset(600), [one.name for one in PERTURBATIONS], 1.0, 7)
    assert {id.split(":")[1] for id in copies.ids} == {one.name for one in PERTURBATIONS}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["leetspeek"], "data.augmentation: no perturbation 'leetspeek' (did you mean leetspeak?)"),
        (["case", "case"], "data.augmentation: case is named twice"),
    ],
)
def test_names_that_are_none_are_told(names: list[str], message: str) -> None:
    with refused("evaluation.bad-augmentation") as caught:
        changed_copies(_dataset(), names, 0.5, 1)
    assert caught.value.message == message
