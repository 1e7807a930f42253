"""The loss: element by element against plain Python, and unknown targets that take no part."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.engine.loss import Loss, LossName, balance_weights, build_loss, inverse_frequency_weights, positive_share

NAN = float("nan")
SHARE = np.array([0.096, 0.01, 0.053, 0.003, 0.049, 0.009])
FEW = settings(max_examples=50, deadline=None)
SHARES = st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=8)


def _plain_element(logit: float, target: float, positive_weight: float) -> float:
    """Binary cross-entropy with the positive part weighted, from the definition of the sigmoid."""
    score = 1 / (1 + math.exp(-logit))
    return -(positive_weight * target * math.log(score) + (1 - target) * math.log(1 - score))


def _plain_sum(logits: torch.Tensor, targets: torch.Tensor, loss: Loss) -> float:
    total = 0.0
    for logit_row, target_row in zip(logits.tolist(), targets.tolist(), strict=True):
        for column, (logit, target) in enumerate(zip(logit_row, target_row, strict=True)):
            if not math.isnan(target):
                element = _plain_element(logit, target, float(loss.positive_weights[column]))
                total += float(loss.label_weights[column]) * element
    return total


def _example(num: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(num, len(SHARE), generator=generator) * 3
    targets = torch.rand(num, len(SHARE), generator=generator)
    targets[: num // 2] = (targets[: num // 2] > 0.6).float()
    return logits, targets


@pytest.mark.parametrize("name", ["weighted_bce", "pos_weight_bce", "bce"])
@pytest.mark.parametrize("with_unknown", [False, True])
def test_the_loss_is_the_sum_of_the_written_formula(name: LossName, with_unknown: bool) -> None:
    logits, targets = _example()
    if with_unknown:
        targets[0, 1] = targets[3] = torch.nan
    loss = build_loss(name, SHARE, 1.0)
    found = loss.sum(logits, targets).item()
    assert found == pytest.approx(_plain_sum(logits, targets, loss), rel=1e-5)
    for other in ("weighted_bce", "pos_weight_bce", "bce"):
        if other != name:
            control = _plain_sum(logits, targets, build_loss(other, SHARE, 1.0))
            assert found != pytest.approx(control, rel=1e-2), "the control: the other losses differ"


def test_large_logits_do_not_overflow() -> None:
    loss = build_loss("bce", SHARE[:2], 1.0)
    found = loss.sum(torch.tensor([[200.0, -200.0]]), torch.tensor([[0.0, 1.0]])).item()
    assert found == pytest.approx(400.0)


def test_weighted_bce_weighs_labels_and_pos_weight_bce_only_positives() -> None:
    weighted, balanced, plain = (build_loss(name, SHARE, 1.0) for name in ("weighted_bce", "pos_weight_bce", "bce"))
    ones = torch.ones(len(SHARE))
    torch.testing.assert_close(weighted.label_weights.double(), torch.from_numpy(inverse_frequency_weights(SHARE)))
    assert torch.equal(weighted.positive_weights, ones)
    torch.testing.assert_close(
        balanced.positive_weights.double(), torch.from_numpy(balance_weights(SHARE)), rtol=1e-6, atol=0
    )
    assert torch.equal(balanced.label_weights, ones)
    assert torch.equal(plain.label_weights, ones)
    assert torch.equal(plain.positive_weights, ones)
    negatives = torch.zeros(3, len(SHARE))
    logits = torch.randn(3, len(SHARE), generator=torch.Generator().manual_seed(0))
    assert balanced.sum(logits, negatives) == plain.sum(logits, negatives)
    assert weighted.sum(logits, negatives) != plain.sum(logits, negatives)


def test_the_weights_of_the_baseline_are_the_inverse_frequencies() -> None:
    raw = [1 / (share + 1e-6) for share in SHARE.tolist()]
    expected = [weight / sum(raw) * len(raw) for weight in raw]
    assert inverse_frequency_weights(SHARE).tolist() == pytest.approx(expected, rel=1e-12)


def test_a_label_that_is_ten_times_rarer_weighs_ten_times_as_much() -> None:
    rare, common = inverse_frequency_weights(np.array([0.01, 0.1]))
    assert rare / common == pytest.approx((0.1 + 1e-6) / (0.01 + 1e-6), rel=1e-12)


def test_the_floor_keeps_a_label_without_positives_finite() -> None:
    weights = inverse_frequency_weights(np.array([0.0, 0.5]))
    assert weights.tolist() == pytest.approx([2 * 1e6 / (1e6 + 1 / (0.5 + 1e-6)), 4e-6], rel=1e-4)


@FEW
@given(SHARES, st.floats(0, 2))
def test_the_weights_sum_to_the_number_of_labels(shares: list[float], power: float) -> None:
    weights = inverse_frequency_weights(np.array(shares), power)
    assert weights.sum() == pytest.approx(len(shares), rel=1e-12)
    assert (weights > 0).all()


@FEW
@given(SHARES)
def test_the_power_of_the_weights(shares: list[float]) -> None:
    share = np.array(shares)
    full, root = inverse_frequency_weights(share), inverse_frequency_weights(share, 0.5)
    assert (root / root[0]).tolist() == pytest.approx(np.sqrt(full / full[0]).tolist(), rel=1e-9)
    np.testing.assert_array_equal(inverse_frequency_weights(share, 0), np.ones(len(share)))
    np.testing.assert_array_equal(balance_weights(share, 0), np.ones(len(share)))


def test_balance_weights_are_negatives_for_each_positive() -> None:
    assert balance_weights(np.array([0.5, 0.2, 0.01])).tolist() == pytest.approx([1, 4, 99], rel=1e-3)
    assert balance_weights(np.array([0.2]), 0.5).tolist() == pytest.approx([2], rel=1e-3)


def _gradient(loss: Loss, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    leaf = logits.clone().requires_grad_()
    loss.sum(leaf, targets).backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize("name", ["weighted_bce", "pos_weight_bce", "bce"])
def test_unknown_targets_give_no_gradient_and_leave_the_others_alone(name: LossName) -> None:
    logits, targets = _example()
    loss = build_loss(name, SHARE, 1.0)
    unknown = torch.zeros_like(targets, dtype=torch.bool)
    unknown[0, 1] = unknown[2, 0] = unknown[5] = True
    with_unknown = targets.masked_fill(unknown, torch.nan)
    whole, found = _gradient(loss, logits, targets), _gradient(loss, logits, with_unknown)
    assert torch.equal(found[unknown], torch.zeros(int(unknown.sum())))
    assert torch.equal(found[~unknown], whole[~unknown])
    filled = _gradient(loss, logits, targets.masked_fill(unknown, 0.0))
    assert (filled[unknown] != 0).all(), "the control: filled with 0 they do train"
    assert loss.sum(logits, with_unknown) != loss.sum(logits, targets.masked_fill(unknown, 0.0))


def test_the_sum_over_parts_is_the_sum_over_the_whole() -> None:
    logits, targets = _example(8)
    targets[1, 2] = torch.nan
    loss = build_loss("weighted_bce", SHARE, 1.0)
    whole = loss.sum(logits, targets).item()
    parts = loss.sum(logits[:3], targets[:3]).item() + loss.sum(logits[3:], targets[3:]).item()
    assert parts == pytest.approx(whole, rel=1e-6)
    mean_of_means = (loss.sum(logits[:3], targets[:3]).item() / 3 + loss.sum(logits[3:], targets[3:]).item() / 5) / 2
    assert mean_of_means != pytest.approx(whole / 8, rel=1e-3), "the control: means of unequal parts do not add"


def test_without_a_known_target_the_loss_is_zero_and_has_a_gradient() -> None:
    loss = build_loss("weighted_bce", SHARE, 1.0)
    logits, targets = _example(2)
    assert loss.sum(logits, torch.full_like(targets, torch.nan)).item() == 0.0
    assert not _gradient(loss, logits, torch.full_like(targets, torch.nan)).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_logits_are_taken_in_float32(dtype: torch.dtype, autocast: bool) -> None:
    logits, targets = _example(200)
    loss = build_loss("pos_weight_bce", SHARE, 1.0)
    half = logits.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = loss.sum(half, targets)
    assert found.dtype == torch.float32
    assert torch.equal(found, loss.sum(half.float(), targets))
    control = torch.nn.functional.binary_cross_entropy_with_logits(
        half, targets.to(dtype), reduction="sum", pos_weight=loss.positive_weights.to(dtype)
    )
    assert control.float() != found, "the control: in half precision the sum is another"


def test_the_loss_can_move_to_a_device() -> None:
    moved = build_loss("weighted_bce", SHARE, 1.0).to(torch.device("meta"))
    assert moved.label_weights.device.type == moved.positive_weights.device.type == "meta"


def _table(*rows: tuple[float, ...]) -> npt.NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


def test_the_positive_share_is_of_the_known_targets() -> None:
    targets = _table((1, 0, NAN), (0.5, NAN, NAN), (0.49, 0, NAN), (0, 1, NAN))
    np.testing.assert_array_equal(positive_share(targets), [0.5, 1 / 3, NAN])
    assert positive_share(np.nan_to_num(targets))[1] == 0.25, "the control: an unknown is not a negative"


def test_the_positive_share_of_a_large_table_is_exact() -> None:
    targets = np.zeros((2_000_003, 1), dtype=np.float32)
    targets[:3] = 1
    assert positive_share(targets)[0] == 3 / 2_000_003
