"""What fits: decided from made-up peaks, predicted from small tries, and no trace of either."""

import gc
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from civility.engine.memory_fit import Fit, largest_that_fits, predicted_peaks, room_for_activations, sizes_that_share
from civility.models.encoder import load_encoder

LENGTH = 40


@given(st.integers(1, 3_000))
def test_the_sizes_that_share_are_the_divisors(number: int) -> None:
    assert sizes_that_share(number) == [size for size in range(1, number + 1) if number % size == 0]


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (99.0, Fit(0, 100.0, 99.0, 1, 100.0)),
        (100.0, Fit(1, 100.0, 100.0, 2, 110.0)),
        (170.0, Fit(8, 170.0, 170.0, 16, 250.0)),
        (249.0, Fit(8, 170.0, 249.0, 16, 250.0)),
        (1e9, Fit(16, 250.0, 1e9)),
    ],
)
def test_the_largest_size_that_fits(room: float, expected: Fit) -> None:
    assert largest_that_fits([1, 2, 4, 8, 16], lambda size: 90.0 + 10.0 * size, room) == expected


def test_nothing_is_tried_beyond_the_first_that_was_refused() -> None:
    tried: list[int] = []

    def peak_of(size: int) -> float:
        tried.append(size)
        return math.inf if size > 2 else float(size)

    assert largest_that_fits([1, 2, 3, 6], peak_of, 1e9) == Fit(2, 2.0, 1e9, 3, math.inf)
    assert tried == [1, 2, 3]


def test_room_is_what_is_free_without_a_margin_and_what_is_to_come() -> None:
    assert room_for_activations(1000, 300) == pytest.approx(600)
    assert room_for_activations(1000, 300, spread=1.5) == pytest.approx(400)
    assert room_for_activations(1000, 1000) < 0


def model_of(folder: Path) -> Any:
    return load_encoder(str(folder), ("toxic", "threat"), seed=3).model.train()


def tries(model: Any, sizes: list[int]) -> Callable[[int], None]:
    """Return what runs a micro-batch of the model, noting its sizes."""

    def try_out(num_comments: int) -> None:
        sizes.append(num_comments)
        ids = torch.full((num_comments, LENGTH), 5)
        model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()

    return try_out


def peaks(model: Any, room: float = 1e12) -> tuple[Callable[[int], float], list[int]]:
    sizes: list[int] = []
    return predicted_peaks(tries(model, sizes), list(model.parameters()), room), sizes


@pytest.mark.parametrize("folder", ["tiny_bert", "tiny_deberta"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_what_is_predicted_is_what_a_large_micro_batch_takes(
    folder: str, checkpointing: bool, request: pytest.FixtureRequest
) -> None:
    from civility.engine import memory_fit as fit

    model = model_of(request.getfixturevalue(folder))
    if checkpointing:
        model.activation_checkpointing_enable()
        model.config.use_cache = False
    predicted, sizes = peaks(model)
    assert sizes == [1, 2, 3]
    for size in (1, 8, 12):
        measured = fit._alive_in(tries(model, []), size, list(model.parameters())).max()
        assert predicted(size) == pytest.approx(measured, rel=0.01)
    assert predicted(12) > 3 * predicted(3), "the control: it does grow with the size"


def test_checkpointing_takes_less(tiny_bert: Path) -> None:
    plain, saving = model_of(tiny_bert), model_of(tiny_bert)
    saving.activation_checkpointing_enable()
    saving.config.use_cache = False
    assert peaks(saving)[0](8) < 0.8 * peaks(plain)[0](8)


def test_three_are_not_tried_where_the_room_is_too_small_for_them(tiny_bert: Path) -> None:
    model = model_of(tiny_bert)
    one = peaks(model)[0](1)
    careful, sizes = peaks(model, room=2.5 * one)
    assert sizes == [1]
    assert careful(2) == 2 * one >= peaks(model)[0](2)


def test_a_gradient_that_is_added_counts_beside_the_one_that_is_there() -> None:
    # One comment through a large table: its gradient is the highest point, whatever the batch.
    table = torch.nn.Embedding(10_000, 8)

    def try_out(num_comments: int) -> None:
        table(torch.arange(num_comments)).sum().backward()

    predicted = predicted_peaks(try_out, list(table.parameters()), 1e12)
    assert 4 * 80_000 <= predicted(1) <= predicted(64) < 4 * 80_000 + 10_000


def test_a_try_leaves_no_trace(tiny_bert: Path) -> None:
    model = model_of(tiny_bert)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    draws = torch.get_rng_state()
    predicted, _ = peaks(model)
    largest_that_fits([1, 2, 4], predicted, 1e12)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert [parameter.grad for parameter in model.parameters()] == [None] * len(list(model.parameters()))
    assert torch.equal(torch.get_rng_state(), draws)
    tries(model, [])(2)
    assert not torch.equal(torch.get_rng_state(), draws), "the control: dropout does draw"
    assert any(parameter.grad is not None for parameter in model.parameters())


def test_a_try_that_fails_leaves_no_trace_either(tiny_bert: Path) -> None:
    model = model_of(tiny_bert)
    draws = torch.get_rng_state()

    def try_out(num_comments: int) -> None:
        tries(model, [])(num_comments)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predicted_peaks(try_out, list(model.parameters()), 1e12)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), draws)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_tells_the_peak_itself(tiny_bert: Path) -> None:
    from civility.engine.memory_fit import measured_peaks

    model = model_of(tiny_bert).cuda()

    def try_out(num_comments: int) -> None:
        ids = torch.full((num_comments, LENGTH), 5, device="cuda")
        model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()

    gc.collect()
    measured = measured_peaks(try_out, list(model.parameters()))
    measured(1)
    assert measured(64) > 4 * measured(8) > 0
    assert all(parameter.grad is None for parameter in model.parameters())
    total = torch.cuda.get_device_properties(0).total_memory

    def ask_too_much(num_comments: int) -> None:
        torch.empty(total * 2, device="cuda")

    assert measured_peaks(ask_too_much, [])(1) == math.inf
