"""The loss of several passes against torch's own distributions, and at logits where a plain formula breaks."""

import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from civility.engine.loss import Loss
from civility.engine.regularizers import loss_of_passes, symmetric_divergence

LOSS = Loss(torch.tensor([1.5, 0.5]), torch.ones(2))


def test_the_divergence_is_that_of_bernoulli_variables() -> None:
    torch.manual_seed(0)
    first, second = (4 * torch.randn(50, 3, dtype=torch.float64) for _ in range(2))
    p, q = Bernoulli(logits=first), Bernoulli(logits=second)
    expected = (kl_divergence(p, q) + kl_divergence(q, p)) / 2
    torch.testing.assert_close(symmetric_divergence(first, second).double(), expected, atol=1e-5, rtol=1e-5)
    one_way = kl_divergence(p, q)
    assert (symmetric_divergence(first, second).double() - one_way).abs().max() > 0.1, "the control"


@pytest.mark.parametrize(("a", "b"), [(80.0, 70.0), (-80.0, -70.0), (20.0, 19.0), (300.0, -300.0), (500.0, 500.0)])
def test_large_logits_give_finite_numbers_and_gradients(a: float, b: float) -> None:
    first, second = (torch.tensor([one], requires_grad=True) for one in (a, b))
    divergence = symmetric_divergence(first, second)
    divergence.sum().backward()  # type: ignore[no-untyped-call]
    exact = torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64)
    sides = exact if a + b < 0 else (-exact[1], -exact[0])
    expected = (torch.sigmoid(sides[0]) - torch.sigmoid(sides[1])) * (exact[0] - exact[1]) / 2
    torch.testing.assert_close(divergence.double().detach(), expected, rtol=1e-5, atol=0)
    assert first.grad is not None
    assert second.grad is not None
    assert first.grad.isfinite().all()
    assert second.grad.isfinite().all()


def test_the_plain_formula_loses_the_digits() -> None:
    """The control: at 20 and 19 a float32 sigmoid is 1 except for a few bits."""
    first, second = torch.tensor([20.0]), torch.tensor([19.0])
    plain = (torch.sigmoid(first) - torch.sigmoid(second)) * (first - second) / 2
    assert abs(plain / symmetric_divergence(first, second) - 1) > 1e-2


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    targets = torch.randint(0, 2, (5, 2)).float()
    targets[1, 0] = targets[4, 1] = torch.nan
    return torch.randn(5, 2), torch.randn(5, 2), targets


def test_two_passes_are_the_mean_of_their_losses_and_the_divergence_of_known_elements() -> None:
    first, second, targets = inputs()
    found = loss_of_passes(LOSS, [first, second], targets, 3.0)
    expected = torch.zeros(())
    for row in range(5):
        for label in range(2):
            target = targets[row, label]
            if torch.isnan(target):
                continue
            one, two = first[row, label], second[row, label]
            for logit in (one, two):
                chance = torch.sigmoid(logit)
                wrong = -(target * chance.log() + (1 - target) * (1 - chance).log())
                expected = expected + LOSS.label_weights[label] * wrong / 2
            p, q = Bernoulli(logits=one), Bernoulli(logits=two)
            expected = expected + 3.0 * (kl_divergence(p, q) + kl_divergence(q, p)) / 2
    torch.testing.assert_close(found, expected)
    assert abs(loss_of_passes(LOSS, [first, second], targets, 1.0) - expected) > 0.1, "the control"


def test_one_pass_is_the_plain_loss_to_the_bit() -> None:
    first, _, targets = inputs()
    assert torch.equal(loss_of_passes(LOSS, [first], targets, 0.0), LOSS.sum(first, targets))


def test_unknown_targets_give_an_exactly_zero_gradient() -> None:
    first, second, targets = inputs()
    first.requires_grad_(True)
    loss_of_passes(LOSS, [first, second], targets, 1.0).backward()  # type: ignore[no-untyped-call]
    assert first.grad is not None
    assert torch.equal(first.grad == 0, torch.isnan(targets))


def test_micro_batches_add_up_to_the_whole() -> None:
    """What the still model of the other tests cannot show: its passes are all equal."""
    first, second, targets = inputs()

    def of(rows: slice) -> torch.Tensor:
        return loss_of_passes(LOSS, [first[rows], second[rows]], targets[rows], 0.7)

    parts = [of(slice(0, 1)), of(slice(1, 4)), of(slice(4, 5))]
    torch.testing.assert_close(sum(parts), of(slice(0, 5)))
    assert abs(float(sum(parts) / 3 - of(slice(0, 5)))) > 0.1, "the control: a mean of micro-batches is another number"
