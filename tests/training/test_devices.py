"""Choosing device and precision: what there is, and a clear word where it is not there."""

import pytest
import torch

from civility.errors import UserError
from civility.training.devices import choose_device, choose_precision, describe_device

HAS_CUDA = torch.cuda.is_available()
HAS_MPS = torch.backends.mps.is_available()


def test_auto_takes_the_best_device_there_is() -> None:
    assert choose_device("auto") == ("cuda" if HAS_CUDA else "mps" if HAS_MPS else "cpu")


def test_the_processor_is_always_there() -> None:
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param("cuda", marks=pytest.mark.skipif(HAS_CUDA, reason="there is a CUDA device")),
        pytest.param("mps", marks=pytest.mark.skipif(HAS_MPS, reason="there is a Metal device")),
    ],
)
def test_a_device_that_is_not_there_is_told(wanted: str) -> None:
    with pytest.raises(UserError) as caught:
        choose_device(wanted)
    assert caught.value.message == f"training.device = '{wanted}': this machine has none"
    assert caught.value.remedy == "use 'auto' or 'cpu'"


def test_auto_takes_bf16_on_a_processor_only_where_it_multiplies_bf16() -> None:
    has_bf16 = bool(torch.cpu._is_avx512_bf16_supported())
    assert choose_precision("auto", "cpu") == ("bf16" if has_bf16 else "fp32")


def test_auto_takes_fp32_on_metal() -> None:
    assert choose_precision("auto", "mps") == "fp32"


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_auto_takes_bf16_on_gpus_from_ampere_on(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert choose_precision("auto", "cuda") == expected


@pytest.mark.parametrize("wanted", ["bf16", "fp32"])
@pytest.mark.parametrize("device", ["cpu", "mps", "cuda"])
def test_a_precision_that_is_asked_for_is_kept(wanted: str, device: str) -> None:
    assert choose_precision(wanted, device) == wanted  # type: ignore[arg-type]


def test_fp16_is_kept_on_a_gpu() -> None:
    assert choose_precision("fp16", "cuda") == "fp16"


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_fp16_needs_a_gpu(device: str) -> None:
    with pytest.raises(UserError) as caught:
        choose_precision("fp16", device)
    assert caught.value.message == f"training.precision = 'fp16' needs a CUDA device; this run is on {device}"
    assert caught.value.remedy == "set training.precision to 'auto', 'bf16' or 'fp32'"


def test_the_processor_is_described_with_its_threads() -> None:
    num_threads = torch.get_num_threads()
    threads = "1 thread" if num_threads == 1 else f"{num_threads} threads"
    assert describe_device("cpu", 1) == f"CPU, {threads}"
    assert describe_device("cpu", 2) == f"2 x CPU, {threads}"
