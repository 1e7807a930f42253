"""Devices, processes and precision: the one place that asks the hardware and starts accelerate."""

import contextlib
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch

from civility.errors import UserError
from civility.plain_text import count
from civility.processes import processes_of, settle_accelerate, settle_environment

Precision = Literal["auto", "bf16", "fp16", "tf32", "fp32"]
_AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
# What `accelerate launch` can be told to do to a model, and what this training loop is not made for.
_FOREIGN_ENGINES = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_SAGEMAKER": "SageMaker",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
}


@dataclass(frozen=True, eq=False)
class MixedPrecision:
    """Float32 weights with arithmetic in "bf16", "fp16", "tf32" or "fp32".

    Not left to accelerate: it takes settings from its environment over those it is given, and does not see the
    steps that a fused optimiser skips.

    Parameters
    ----------
    name : "bf16", "fp16", "tf32" or "fp32"
    device : "cuda", "mps" or "cpu"
    scaler : of the loss, for fp16, whose gradients underflow otherwise; None for the others
    """

    name: str
    device: str
    scaler: torch.amp.GradScaler | None = None

    @classmethod
    def of(cls, name: str, device: str) -> "MixedPrecision":
        """Return the arithmetic of this name, with a scaler where it needs one."""
        return cls(name, device, torch.amp.GradScaler(device) if name == "fp16" else None)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which the forward pass runs."""
        dtype = _AUTOCAST_TYPES.get(self.name)
        return contextlib.nullcontext() if dtype is None else torch.autocast(self.device, dtype)

    def training(self) -> contextlib.AbstractContextManager[None]:
        """Return the context of a whole run, backward passes and optimiser included: see `float32_products`."""
        return float32_products("tf32" if self.name == "tf32" else "ieee")


@contextlib.contextmanager
def float32_products(kind: Literal["ieee", "tf32"]) -> Iterator[None]:
    """Multiply float32 numbers as they are ("ieee") while the block runs, or by their first 10 bits ("tf32").

    Said in so many words, since torch's defaults differ (products exact, convolutions not) and any library may have
    changed them. What stood before stands afterwards. It takes the older switches, which set the newer ones too: with
    the newer alone ``torch.get_float32_matmul_precision`` raises, and torch.compile asks it (torch 2.9 to 2.13).
    """
    backends: Any = torch.backends  # its types lag behind what it has
    places = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul]
    before = [place.fp32_precision for place in places]
    _set_products(places, [kind, kind, kind, "ieee"])
    try:
        yield
    finally:
        _set_products(places, before)


def _set_products(places: list[Any], kinds: list[str]) -> None:
    """Set the older switches and, by name, the newer ones: those of products, convolutions, and oneDNN's last."""
    torch.set_float32_matmul_precision("high" if kinds[0] == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = kinds[1] == "tf32"
    for place, kind in zip(places, kinds, strict=True):
        place.fp32_precision = kind


def choose_device(wanted: str) -> str:
    """Return "cuda", "mps" or "cpu" for "auto" or one of these.

    Raises
    ------
    UserError : the device is not there
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, found in there.items() if found)
    if not there[wanted]:
        raise UserError(
            "engine.todo", f"training.device = {wanted!r}: this machine has none", remedy="use 'auto' or 'cpu'"
        )
    return wanted


def has_fast_bf16(device: str) -> bool:
    """Return whether the hardware multiplies bf16 itself; others imitate it, slowly."""
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)  # Ampere
    # Only where the processor multiplies bf16 in hardware: elsewhere it is several times slower than fp32.
    return device == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def has_tf32(device: str) -> bool:
    """Return whether the hardware multiplies TF32: other hardware would compute in float32 without a word."""
    # Not AMD's: PyTorch for ROCm calls its devices CUDA too, and has TF32 on some, behind a switch of its own.
    return device == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability() >= (8, 0)  # Ampere


def choose_precision(wanted: Precision, device: str) -> str:
    """Return the precision to use: for "auto" bf16 where the hardware has it, fp16 on other GPUs, else fp32.

    Raises
    ------
    UserError : fp16 is wanted on a processor, where there is no gradient scaling for it; or tf32 on anything but an
        NVIDIA GPU of the Ampere generation or later
    """
    if wanted == "auto":
        if has_fast_bf16(device):
            return "bf16"
        return "fp16" if device == "cuda" else "fp32"
    if wanted == "fp16" and device != "cuda":
        raise UserError(
            "engine.todo",
            f"training.precision = 'fp16' needs a CUDA device; this run is on {device}",
            remedy="set training.precision to 'auto', 'bf16' or 'fp32'",
        )
    if wanted == "tf32" and not has_tf32(device):
        raise UserError(
            "engine.todo",
            "training.precision = 'tf32' needs an NVIDIA GPU of the Ampere generation or later; this run is on "
            + (torch.cuda.get_device_name() if device == "cuda" else device),
            remedy="set training.precision to 'auto' or 'fp32'",
        )
    return wanted


def start_accelerator(device: str, trackers: list[str], folder: str | None) -> Any:
    """Start accelerate on a device: one process, or those of `accelerate launch` or `torchrun`.

    Parameters
    ----------
    device : "cuda", "mps" or "cpu"
    trackers : names of accelerate's trackers
    folder : where file-based trackers write

    Raises
    ------
    UserError : `accelerate launch` was told to use an engine that the loop is not made for, or a launcher's variables
        are not what they may be
    """
    settle_environment(os.environ)  # accelerate reads it, and fails on what is empty
    settle_accelerate(os.environ)
    for variable, engine in _FOREIGN_ENGINES.items():
        if os.environ.get(variable, "false").lower() in ("true", "1"):
            raise UserError(
                "engine.todo",
                f"accelerate is configured to use {engine} ({variable})",
                remedy="run 'accelerate config' anew without it, or use torchrun",
            )
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # accelerate keeps its state for the life of the process, and refuses another configuration after the first.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    # Devices, processes, gathering and trackers are its part. The rest is ours: the answers given to
    # `accelerate config` must not change a run behind the recipe's back.
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision="no",
        dynamo_backend="no",
        log_with=trackers or None,
        project_dir=folder,
    )


@contextlib.contextmanager
def first_of_machine_first(accelerator: Any) -> Iterator[None]:
    """Let the first process of each machine through the block before the others, so that they find what it has made.

    Not accelerate's `local_main_process_first`: where the first raises, the others would wait there for ever.
    """
    if not accelerator.is_local_main_process:
        accelerator.wait_for_everyone()
    try:
        yield
    finally:
        if accelerator.is_local_main_process:
            accelerator.wait_for_everyone()


def same_weights_everywhere(model: torch.nn.Module) -> None:
    """Give every process the weights of the first: other files on another machine would go unseen."""
    if torch.distributed.is_initialized():
        for tensor in [*model.parameters(), *model.buffers()]:
            torch.distributed.broadcast(tensor.data, src=0)


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Add the gradients of all processes, in place. Every process has to call this, with the same parameters."""
    if torch.distributed.is_initialized():
        gradients = [p.grad for p in parameters if p.grad is not None]
        for work in [torch.distributed.all_reduce(gradient, async_op=True) for gradient in gradients]:
            work.wait()


def processes_here(num_processes: int) -> int:
    """Return how many of a run's processes share this machine's processor and main memory."""
    return processes_of(os.environ).num_here or num_processes


def smallest_everywhere(value: int, device: torch.device) -> int:
    """Return the smallest value over all processes. Every process has to call this."""
    found = torch.tensor(value, dtype=torch.int64, device=device)
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MIN)
    return int(found)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch had no memory for a tensor: on a GPU an error of its own, on a processor one among others."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def give_back_memory() -> None:
    """Let go of the memory that torch keeps for the next tensor of the same size."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def use_deterministic_kernels() -> None:
    """Let torch compute the same bits every time on the same GPU, or raise where it has no such way.

    Called before the first CUDA call: cuBLAS reads its workspace once
    (docs.pytorch.org/docs/stable/notes/randomness.html).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def describe_device(device: str, num_processes: int) -> str:
    """Return the hardware of this process in a few words, for the log."""
    if device == "cuda":
        name = torch.cuda.get_device_name()
    elif device == "cpu":
        name = f"CPU, {count(torch.get_num_threads(), 'thread')}"
    else:
        name = platform.processor() or device
    return name if num_processes == 1 else f"{num_processes} x {name}"
