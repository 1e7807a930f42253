"""Choosing device and precision: what there is, and a clear word where it is not there; and how float32 multiplies."""

from typing import Any

import pytest
import torch

from civility.engine.devices import (
    MixedPrecision,
    choose_device,
    choose_precision,
    float32_products,
    recorded_device,
    smallest_everywhere,
    start_accelerator,
)
from civility.render.sentences.plan_sentences import device_words

from ..refusals import refused

HAS_CUDA = torch.cuda.is_available()
HAS_MPS = torch.backends.mps.is_available()


def test_auto_takes_the_best_device_there_is() -> None:
    assert choose_device("auto") == ("cuda" if HAS_CUDA else "mps" if HAS_MPS else "cpu")


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param("cuda", marks=pytest.mark.skipif(HAS_CUDA, reason="there is a CUDA device")),
        pytest.param("mps", marks=pytest.mark.skipif(HAS_MPS, reason="there is a Metal device")),
    ],
)
def test_a_missing_device_is_refused(wanted: str) -> None:
    with refused("engine.no-device") as caught:
        choose_device(wanted)
    assert caught.value.message == f"training.device = '{wanted}': this machine has none"
    assert caught.value.remedy == "use 'auto' or 'cpu'"


def test_auto_takes_bf16_on_a_cpu_only_if_it_multiplies_bf16() -> None:
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
    with refused("engine.no-precision") as caught:
        choose_precision("fp16", device)
    assert caught.value.message == f"training.precision = 'fp16' needs a CUDA device; this run is on {device}"
    assert caught.value.remedy == "set training.precision to 'auto', 'bf16' or 'fp32'"


def test_the_cpu_is_described_with_its_threads() -> None:
    num_threads = torch.get_num_threads()
    threads = "1 thread" if num_threads == 1 else f"{num_threads} threads"
    assert device_words(recorded_device("cpu")) == f"CPU, {threads}"
    assert device_words(recorded_device("cpu"), 2) == f"2 x CPU, {threads}"


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_tf32_needs_an_nvidia_gpu(device: str) -> None:
    with refused("engine.no-precision") as caught:
        choose_precision("tf32", device)
    assert caught.value.message == (
        f"training.precision = 'tf32' needs an NVIDIA GPU of the Ampere generation or later; this run is on {device}"
    )
    assert caught.value.remedy == "set training.precision to 'auto' or 'fp32'"


def test_tf32_needs_ampere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 6))
    assert choose_precision("tf32", "cuda") == "tf32"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    with refused("engine.no-precision", "this run is on Tesla T4"):
        choose_precision("tf32", "cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.version, "hip", "6.4")
    with refused("engine.no-precision", "needs an NVIDIA GPU"):
        choose_precision("tf32", "cuda")


def products() -> tuple[str, ...]:
    """Return torch's switches for float32 on a GPU: the newer ones, and the older ones that libraries still ask."""
    backends: Any = torch.backends
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    older = (torch.get_float32_matmul_precision(), str(backends.cuda.matmul.allow_tf32), str(backends.cudnn.allow_tf32))
    return (*(place.fp32_precision for place in places), *older)


IEEE = ("ieee", "ieee", "ieee", "highest", "False", "False")
TF32 = ("tf32", "tf32", "tf32", "high", "True", "True")


def test_what_float32_means_is_said_and_taken_back() -> None:
    before = products()
    assert before not in (IEEE, TF32), "torch's defaults are neither: convolutions are in TF32"
    with float32_products("tf32"):
        assert products() == TF32
        with float32_products("ieee"):
            assert products() == IEEE
        assert products() == TF32
    assert products() == before
    with pytest.raises(ZeroDivisionError), float32_products("tf32"):
        _ = 1 / 0
    assert products() == before


@pytest.mark.parametrize(("name", "expected"), [("fp32", IEEE), ("bf16", IEEE), ("fp16", IEEE), ("tf32", TF32)])
def test_only_tf32_trains_in_tf32(name: str, expected: tuple[str, ...]) -> None:
    with MixedPrecision(name, "cuda").training():
        assert products() == expected
        with MixedPrecision("tf32", "cuda").autocast():
            assert not torch.is_autocast_enabled("cuda"), "numbers stay float32"


def test_what_another_library_has_set_does_not_count_and_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    matmul: Any = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = "tf32"
        with MixedPrecision("fp32", "cuda").training():
            assert products() == IEEE
        assert matmul.fp32_precision == "tf32"
    finally:
        matmul.fp32_precision = before


def test_one_process_has_the_smallest_value() -> None:
    assert smallest_everywhere(7, torch.device("cpu")) == 7


def test_a_launcher_that_asks_for_another_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with refused("engine.foreign-engine", r"accelerate is configured to use FSDP \(ACCELERATE_USE_FSDP\)"):
        start_accelerator("cpu", [], None)
