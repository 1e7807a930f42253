"""What fits: decided from made-up peaks, and measured on a GPU without a trace."""

import gc
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from civility.engine.hardware import (
    Fit,
    largest_that_fits,
    measured_peaks,
    room_for_activations,
    sizes_that_share,
)
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
    assert room_for_activations(1000, 1000) < 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_tells_the_peak_itself(tiny_bert: Path) -> None:
    model = load_encoder(str(tiny_bert), ("toxic", "threat"), seed=3).model.train().cuda()
    draws = torch.cuda.get_rng_state()

    def try_out(num_comments: int) -> None:
        ids = torch.full((num_comments, LENGTH), 5, device="cuda")
        model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()

    gc.collect()
    measured = measured_peaks(try_out, list(model.parameters()))
    measured(1)
    assert measured(64) > 4 * measured(8) > 0
    assert torch.equal(torch.cuda.get_rng_state(), draws), "dropout has drawn, and no trace is left"
    assert all(parameter.grad is None for parameter in model.parameters())
    total = torch.cuda.get_device_properties(0).total_memory

    def ask_too_much(num_comments: int) -> None:
        torch.empty(total * 2, device="cuda")

    assert measured_peaks(ask_too_much, [])(1) == math.inf
