"""Every check of the comments: an input that triggers it, and one that passes."""

import numpy as np
import pytest

from civility.data.dataset import Dataset
from civility.training.preflight import Check
from civility.training.preflight.data_checks import (
    auc_standard_error,
    check_label_counts,
    check_label_order,
    check_measurable,
    check_texts,
    check_unknown_targets,
)

LABELS = ("toxic", "threat")


def dataset(*positives: int, num: int = 1_000, prefix: str = "comment") -> Dataset:
    """Return comments of which the first few have each label."""
    targets = np.zeros((num, len(LABELS)), dtype=np.float32)
    for label, count in enumerate(positives):
        targets[:count, label] = 1
    texts = tuple(f"{prefix} {i}" for i in range(num))
    return Dataset(texts, targets, tuple(map(str, range(num))), LABELS)


def with_targets(changes: dict[tuple[int, int], float], texts: dict[int, str] | None = None) -> Dataset:
    """Return 100 comments, half of them toxic, with some targets and texts changed."""
    plain = dataset(50, 50, num=100)
    targets, changed = plain.targets.copy(), list(plain.texts)
    for place, value in changes.items():
        targets[place] = value
    for row, text in (texts or {}).items():
        changed[row] = text
    return Dataset(tuple(changed), targets, plain.ids, LABELS)


def texts_of(training: Dataset, validation: Dataset) -> dict[str, Check]:
    return {check.name: check for check in check_texts(training, validation)}


def test_labels_in_another_order_fail() -> None:
    good = check_label_order(LABELS, LABELS, LABELS)
    assert (good.state, good.found) == ("passed", "2 labels in one order in recipe, training and validation")
    assert check_label_order((), LABELS, LABELS).state == "passed", "no labels asked for: those of the data"
    for training, validation in ((LABELS[::-1], LABELS), (LABELS, LABELS[::-1])):
        bad = check_label_order(LABELS, training, validation)
        assert bad.state == "failed"
        assert "recipe: toxic, threat" in bad.found
        assert "threat, toxic" in bad.found
        assert "data.labels" in bad.remedy
    assert check_label_order((), LABELS, ("toxic",)).found.endswith("validation: toxic")


def test_labels_with_few_positives_in_training_warn() -> None:
    good = check_label_counts(dataset(400, 20), dataset(40, 2))
    assert (good.state, good.found) == ("passed", "toxic 400 + 40 · threat 20 + 2 (training + validation)")
    bad = check_label_counts(dataset(400, 19), dataset(40, 2))
    assert (bad.state, bad.found) == ("warned", "threat has 19 positive comments in training")


def test_labels_that_cannot_be_measured_well_warn() -> None:
    good = check_measurable(dataset(500, 300))
    assert good.state == "passed"
    assert good.found.startswith("AUC in validation: all to ± 0.0")
    bad = check_measurable(dataset(500, 31))
    assert (bad.state, bad.found) == ("warned", "AUC in validation: threat ± 0.05 (31 positives)")
    mirrored = check_measurable(dataset(500, 995))
    assert mirrored.found == "AUC in validation: threat ± 0.04 (5 negatives)"
    for positives, lack in ((0, "positive"), (1_000, "negative")):
        undefined = check_measurable(dataset(500, positives))
        assert undefined.found == f"AUC in validation: threat undefined (no {lack} comment)"
        assert undefined.state == "warned"


def test_the_standard_error_is_that_of_the_paper_and_of_chance() -> None:
    # For exponential scores the formula is exact: positives Exp(1 / r), negatives Exp(1), AUC = r / (r + 1).
    rng = np.random.default_rng(0)
    positives, negatives, auc = 30, 60, 0.9
    aucs = []
    for _ in range(4_000):
        high = rng.exponential(auc / (1 - auc), positives)
        low = rng.exponential(1.0, negatives)
        aucs.append(np.mean(high[:, None] > low))
    assert np.mean(aucs) == pytest.approx(auc, abs=0.003)
    assert auc_standard_error(auc, positives, negatives) == pytest.approx(np.std(aucs), rel=0.05)
    # With one comment on each side the area is 0 or 1: a coin.
    assert auc_standard_error(0.5, 1, 1) == pytest.approx(0.5)


def test_unknown_targets_warn_where_they_are_many() -> None:
    assert check_unknown_targets(with_targets({})).found == "none: every target is a number"
    some = check_unknown_targets(with_targets({(i, 1): np.nan for i in range(3)}))
    assert (some.state, some.found) == ("passed", "threat unknown for 3.0%")
    many = check_unknown_targets(with_targets({(i, 1): np.nan for i in range(51)}))
    assert (many.state, many.found) == ("warned", "threat unknown for 51.0%")
    idle = check_unknown_targets(with_targets({(7, 0): np.nan, (7, 1): np.nan}))
    assert idle.state == "warned"
    assert idle.found.endswith("1 comment without any known target")


def test_equal_texts_across_the_split_warn() -> None:
    good = texts_of(with_targets({}, {3: "Comment  2"}), dataset(5, 5, num=10, prefix="other"))["equal texts"]
    assert (good.state, good.found) == ("passed", "none on both sides of the split; 1 repeat inside training")
    bad = texts_of(with_targets({}), dataset(5, 5, num=10, prefix="COMMENT "))["equal texts"]
    assert (bad.state, bad.found) == ("warned", "10 of 10 validation comments are also in training")


def test_equal_texts_with_other_labels_warn() -> None:
    good = texts_of(with_targets({}, {3: "comment 2"}), dataset(5, 5, num=10, prefix="other"))["contradicting labels"]
    assert (good.state, good.found) == ("passed", "equal texts have equal labels")
    bad = texts_of(with_targets({}, {99: "comment 2"}), dataset(5, 5, num=10, prefix="other"))["contradicting labels"]
    assert bad.state == "warned"
    assert bad.found == "1 text (0.92%) with labels that contradict each other: toxic 1, threat 1"
    unknown = with_targets({(99, 0): np.nan, (99, 1): np.nan}, {99: "comment 2"})
    assert texts_of(unknown, dataset(5, 5, num=10, prefix="other"))["contradicting labels"].state == "passed"
