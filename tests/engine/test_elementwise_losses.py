"""The loss of elements against the formulas of the papers in float64, and gradients against differences."""

import functools

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.autograd.gradcheck import GradcheckError, gradcheck

from civility.engine.loss import Asymmetric, EffectiveNumber, ElementLoss, Focal, Loss, build_loss, cross_entropy

SHARE = np.array([0.1, 0.02, 0.3])
NUM_KNOWN = np.array([1000, 900, 1000])
Array = npt.NDArray[np.float64]


def _example(num: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits, and targets of which half are soft; no logit is at the edge of the margin."""
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(num, len(SHARE), generator=generator) * 3
    targets = torch.rand(num, len(SHARE), generator=generator)
    targets[: num // 2] = (targets[: num // 2] > 0.5).float()
    return logits, targets


def _written_focal(logits: Array, targets: Array, gamma: float, alpha: float | None) -> Array:
    p = 1 / (1 + np.exp(-logits))
    weights = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    positive = -weights[0] * (1 - p) ** gamma * np.log(p)
    negative = -weights[1] * p**gamma * np.log(1 - p)
    return np.asarray(targets * positive + (1 - targets) * negative)


def _written_torchvision(logits: Array, targets: Array, gamma: float, alpha: float) -> Array:
    """torchvision.ops.sigmoid_focal_loss, which goes by ``p_t``."""
    p = 1 / (1 + np.exp(-logits))
    entropy = -targets * np.log(p) - (1 - targets) * np.log(1 - p)
    p_t = p * targets + (1 - p) * (1 - targets)
    return np.asarray((alpha * targets + (1 - alpha) * (1 - targets)) * entropy * (1 - p_t) ** gamma)


def _written_asymmetric(logits: Array, targets: Array, positive: float, negative: float, margin: float) -> Array:
    p = 1 / (1 + np.exp(-logits))
    shifted = np.maximum(p - margin, 0)
    return np.asarray(
        -targets * (1 - p) ** positive * np.log(p) - (1 - targets) * shifted**negative * np.log(1 - shifted)
    )


def _of(elements: ElementLoss, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return elements(logits, targets, torch.ones(logits.shape[1], dtype=logits.dtype))


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, None), (0.0, 0.75), (5.0, 0.0), (3.0, 1.0)])
def test_focal_is_the_formula_of_the_paper(gamma: float, alpha: float | None) -> None:
    logits, targets = _example()
    found = _of(Focal(gamma, alpha), logits, targets).double().numpy()
    expected = _written_focal(logits.double().numpy(), targets.double().numpy(), gamma, alpha)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    other = _written_focal(logits.double().numpy(), targets.double().numpy(), gamma + 0.1, alpha)
    assert not np.allclose(found, other, rtol=1e-3), "the control: another gamma is another loss"


def test_focal_is_that_of_torchvision_for_targets_of_0_and_1() -> None:
    logits, targets = _example()
    found = _of(Focal(2.0, 0.25), logits, targets).double().numpy()
    theirs = _written_torchvision(logits.double().numpy(), targets.double().numpy(), 2.0, 0.25)
    np.testing.assert_allclose(found[:20], theirs[:20], rtol=1e-4, atol=1e-6)
    assert not np.allclose(found[20:], theirs[20:], rtol=1e-3), "the control: of soft ones ours is the mean of both"


@pytest.mark.parametrize(
    ("positive", "negative", "margin"), [(0.0, 4.0, 0.05), (1.0, 4.0, 0.0), (0.5, 0.5, 0.2), (2.0, 0.0, 0.1)]
)
def test_asymmetric_is_the_formula_of_the_paper(positive: float, negative: float, margin: float) -> None:
    logits, targets = _example()
    exact = logits.double().numpy(), targets.double().numpy()
    found = _of(Asymmetric(positive, negative, margin), logits, targets).double().numpy()
    np.testing.assert_allclose(found, _written_asymmetric(*exact, positive, negative, margin), rtol=1e-4, atol=1e-6)
    other = _written_asymmetric(*exact, positive, negative, margin + 0.05)
    assert not np.allclose(found, other, rtol=1e-3), "the control: another margin is another loss"


def test_negatives_below_the_margin_count_nothing() -> None:
    logits = torch.tensor([[-3.0, -2.9, 0.0]], requires_grad=True)  # scores of 0.047, 0.052 and 0.5
    _of(Asymmetric(0.0, 0.5, 0.05), logits, torch.zeros(1, 3)).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[0, 0] == 0
    assert (logits.grad[0, 1:] > 0).all(), "the control: those above do"


def test_without_focusing_both_are_the_cross_entropy() -> None:
    logits, targets = _example()
    plain = _of(cross_entropy, logits, targets)
    for elements in (Focal(0.0), Asymmetric(0.0, 0.0, 0.0)):
        torch.testing.assert_close(_of(elements, logits, targets), plain)
    assert not torch.allclose(_of(Focal(1.0), logits, targets), plain), "the control: a little focusing is seen"


@pytest.mark.parametrize(
    "elements", [Focal(2.0, 0.25), Focal(0.5), Asymmetric(0.0, 4.0, 0.05), Asymmetric(1.0, 0.5, 0.0)]
)
def test_gradients_are_those_of_the_loss(elements: ElementLoss) -> None:
    logits, targets = _example(8)
    leaf = logits.double().requires_grad_()
    assert gradcheck(functools.partial(_sum_of, elements, targets.double()), (leaf,))
    with pytest.raises(GradcheckError):
        gradcheck(functools.partial(_sum_but_for_a_part, elements, targets.double()), (leaf,))


def _sum_of(elements: ElementLoss, targets: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return _of(elements, logits, targets).sum()


def _sum_but_for_a_part(elements: ElementLoss, targets: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The control: as the loss, with a gradient of its half only."""
    whole = _of(elements, logits, targets)
    return (whole - 0.5 * whole + 0.5 * whole.detach()).sum()


@pytest.mark.parametrize("elements", [Focal(0.5, 0.25), Focal(2.0), Asymmetric(0.5, 0.5, 0.05), Asymmetric(1, 4, 0)])
def test_large_logits_give_finite_losses_and_gradients(elements: ElementLoss) -> None:
    logits = torch.tensor([[-1e4, -200.0, -20.0, 0.0, 20.0, 200.0, 1e4]] * 3, requires_grad=True)
    targets = torch.tensor([0.0, 1.0, 0.3])[:, None].expand(3, 7)
    found = _of(elements, logits, targets)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert found.isfinite().all()
    assert logits.grad.isfinite().all()
    assert found[1, 0] > 2e3, "the control: a positive that is taken for a negative costs its logit"


@pytest.mark.parametrize("elements", [Focal(2.0, 0.25), Asymmetric(0.0, 4.0, 0.05)])
def test_the_sum_weighs_labels_and_leaves_out_the_unknown(elements: ElementLoss) -> None:
    logits, targets = _example()
    targets[3, 1] = targets[7] = torch.nan
    name = "focal" if isinstance(elements, Focal) else "asymmetric"
    plain = build_loss(name, SHARE, 1.0, elements=elements)  # type: ignore[arg-type]
    weighted = build_loss(name, SHARE, 1.0, elements=elements, weigh_labels=True)  # type: ignore[arg-type]
    known = ~targets.isnan()
    element = torch.where(known, _of(elements, logits, targets.nan_to_num()), 0.0)
    assert plain.sum(logits, targets).item() == pytest.approx(element.sum().item(), rel=1e-6)
    raw = 1 / (torch.from_numpy(SHARE) + 1e-6)
    expected = (element * (raw / raw.sum() * 3)).sum().item()
    assert weighted.sum(logits, targets).item() == pytest.approx(expected, rel=1e-5)
    assert expected != pytest.approx(element.sum().item(), rel=1e-3), "the control: the weights matter"
    leaf = logits.clone().requires_grad_()
    weighted.sum(leaf, targets).backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert not leaf.grad[~known].any()


@pytest.mark.parametrize("elements", [cross_entropy, Focal(2.0, 0.25), Asymmetric(0.0, 4.0, 0.05)])
def test_smoothing_moves_known_targets_to_one_half_in_training_only(elements: ElementLoss) -> None:
    logits, targets = _example()
    targets[0, 0] = torch.nan
    ones = torch.ones(3)
    plain, smooth = Loss(ones, ones, elements), Loss(ones, ones, elements, 0.2)
    moved = plain.sum(logits, 0.8 * targets + 0.1)
    torch.testing.assert_close(smooth.sum(logits, targets), moved)
    assert moved != pytest.approx(plain.sum(logits, targets).item(), rel=1e-3), "the control: smoothing is seen"
    assert torch.equal(smooth.unsmoothed().sum(logits, targets), plain.sum(logits, targets))


def test_effective_numbers_are_those_of_the_paper() -> None:
    effective = EffectiveNumber(0.99, NUM_KNOWN)
    num = SHARE * NUM_KNOWN
    expected = (1 - 0.99**num) / (1 - 0.99)
    np.testing.assert_allclose(effective.of(SHARE), expected, rtol=1e-10)
    weights = effective.label_weights(SHARE)
    np.testing.assert_allclose(weights, 3 / expected / (1 / expected).sum(), rtol=1e-10)
    np.testing.assert_allclose(
        effective.balance_weights(SHARE, 0.5),
        np.sqrt((1 - 0.99 ** (NUM_KNOWN - num)) / (1 - 0.99**num)),
        rtol=1e-10,
    )
    assert not np.allclose(weights, EffectiveNumber(0.999, NUM_KNOWN).label_weights(SHARE), rtol=1e-2), "the control"


def test_effective_numbers_lie_between_one_and_the_number_itself() -> None:
    np.testing.assert_array_equal(EffectiveNumber(0.0, NUM_KNOWN).of(SHARE), [1, 1, 1])
    np.testing.assert_allclose(EffectiveNumber(1 - 1e-12, NUM_KNOWN).of(SHARE), SHARE * NUM_KNOWN, rtol=1e-4)
    assert EffectiveNumber(0.9, NUM_KNOWN).of(np.zeros(3)).tolist() == pytest.approx([1, 1, 1]), "never nothing"


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_loss_takes_weights_by_effective_number(power: float) -> None:
    effective = EffectiveNumber(0.999, NUM_KNOWN)
    weighted = build_loss("weighted_bce", SHARE, power, effective=effective)
    balanced = build_loss("pos_weight_bce", SHARE, power, effective=effective)
    np.testing.assert_allclose(weighted.label_weights.numpy(), effective.label_weights(SHARE, power), rtol=1e-6)
    np.testing.assert_allclose(balanced.positive_weights.numpy(), effective.balance_weights(SHARE, power), rtol=1e-6)
    assert weighted.label_weights.sum().item() == pytest.approx(3)
    usual = build_loss("weighted_bce", SHARE, power).label_weights
    assert torch.equal(weighted.label_weights, usual) == (power == 0), "the control: they are other weights"
