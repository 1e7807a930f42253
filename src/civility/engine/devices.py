"""Devices, precision and processes: the one module that asks for the hardware and starts accelerate."""

import contextlib
import importlib.util
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch

from civility.documents.run_environment import RecordedDevice
from civility.errors import UserError, did_you_mean
from civility.processes import processes_of, settle_accelerate, settle_environment

Precision = Literal["auto", "bf16", "fp16", "tf32", "fp32"]
_AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
# What `accelerate launch` can do to a model, and this training loop does not support.
_FOREIGN_ENGINES = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_SAGEMAKER": "SageMaker",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
}
# The trackers of accelerate that we offer: the modules, any of which is enough, and the package to install.
_TRACKERS = {
    "tensorboard": (("tensorboard", "tensorboardX"), "tensorboard"),
    "wandb": (("wandb",), "wandb"),
    "mlflow": (("mlflow",), "mlflow"),
    "trackio": (("trackio",), "trackio"),
}


@dataclass(frozen=True, eq=False)
class MixedPrecision:
    """Float32 weights with arithmetic in "bf16", "fp16", "tf32" or "fp32".

    accelerate does not do this here: it prefers the settings of its environment to those that it is given, and does not
    notice the steps that a fused optimizer skips. The scaler of the loss is for fp16, whose gradients would underflow.
    """

    name: str
    device: str
    scaler: torch.amp.GradScaler | None = None

    @classmethod
    def of(cls, name: str, device: str) -> "MixedPrecision":
        """Return the precision of this name, with a scaler if it needs one."""
        return cls(name, device, torch.amp.GradScaler(device) if name == "fp16" else None)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context for the forward pass."""
        dtype = _AUTOCAST_TYPES.get(self.name)
        return contextlib.nullcontext() if dtype is None else torch.autocast(self.device, dtype)

    def training(self) -> contextlib.AbstractContextManager[None]:
        """Return the context for a whole run, including backward passes and optimizer: see `float32_products`."""
        return float32_products("tf32" if self.name == "tf32" else "ieee")


@contextlib.contextmanager
def float32_products(kind: Literal["ieee", "tf32"]) -> Iterator[None]:
    """Multiply float32 numbers exactly ("ieee") inside the block, or by their first 10 bits of mantissa ("tf32").

    Set explicitly, since torch's defaults differ (products are exact, convolutions are not) and any library may have
    changed them; restored afterwards. The older switches set the newer ones too: with the newer alone
    ``torch.get_float32_matmul_precision`` raises, and torch.compile calls it (torch 2.9 to 2.13).
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
    """Set the older switches, and the newer ones one by one: of products, convolutions, RNNs and oneDNN."""
    torch.set_float32_matmul_precision("high" if kinds[0] == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = kinds[1] == "tf32"
    for place, kind in zip(places, kinds, strict=True):
        place.fp32_precision = kind


def choose_device(wanted: str) -> str:
    """Return the device, "cuda", "mps" or "cpu"; for "auto" the first of these; UserError if the machine lacks it."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, found in there.items() if found)
    if not there[wanted]:
        found = f"training.device = {wanted!r}: this machine has none"
        raise UserError("engine.no-device", found, remedy="use 'auto' or 'cpu'")
    return wanted


def has_fast_bf16(device: str) -> bool:
    """Whether the hardware multiplies bf16; where it only emulates it, bf16 is several times slower than fp32."""
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)  # Ampere
    ask = getattr(torch.cpu, "get_capabilities", None)  # older versions of torch do not have it
    return device == "cpu" and ask is not None and bool(ask().get("avx512_bf16", False))


def has_tf32(device: str) -> bool:
    """Whether the hardware multiplies TF32; other hardware would silently compute in float32."""
    # PyTorch for ROCm calls its devices CUDA too; TF32 has a switch of its own there.
    return device == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability() >= (8, 0)  # Ampere


def choose_precision(wanted: Precision, device: str) -> str:
    """Return the precision, for "auto" bf16 if the hardware has it, fp16 on other GPUs, otherwise fp32.

    Raises a UserError if the device cannot do it.
    """
    if wanted == "auto":
        if has_fast_bf16(device):
            return "bf16"
        return "fp16" if device == "cuda" else "fp32"
    if wanted == "fp16" and device != "cuda":
        found = f"training.precision = 'fp16' needs a CUDA device; this run is on {device}"
        remedy = "set training.precision to 'auto', 'bf16' or 'fp32'"
        raise UserError("engine.no-precision", found, remedy=remedy)
    if wanted == "tf32" and not has_tf32(device):
        here = torch.cuda.get_device_name() if device == "cuda" else device
        found = (
            f"training.precision = 'tf32' needs an NVIDIA GPU of the Ampere generation or later; this run is on {here}"
        )
        raise UserError("engine.no-precision", found, remedy="set training.precision to 'auto' or 'fp32'")
    return wanted


def start_accelerator(device: str, trackers: list[str], folder: str | None) -> Any:
    """Start accelerate on a device: one process, or those of `accelerate launch` or `torchrun`.

    File-based trackers write to ``folder``.

    Raises
    ------
    UserError : `accelerate launch` is configured for an engine that the loop does not support, or a launcher's
        variables are invalid
    """
    settle_environment(os.environ)  # accelerate reads the environment, and fails on empty variables
    settle_accelerate(os.environ)
    for variable, engine in _FOREIGN_ENGINES.items():
        if os.environ.get(variable, "false").lower() in ("true", "1"):
            raise UserError(
                "engine.foreign-engine",
                f"accelerate is configured to use {engine} ({variable})",
                remedy="run 'accelerate config' again without it, or use torchrun",
            )
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # A process keeps its first configuration, and refuses another. There is no public function to start again;
    # accelerate's own tests do this (accelerate 1.15).
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    # accelerate does devices, processes, gathering and trackers. Everything else is off: the answers that a user gave
    # to `accelerate config` must not change what the recipe says.
    options = {"mixed_precision": "no", "dynamo_backend": "no", "log_with": trackers or None, "project_dir": folder}
    return Accelerator(cpu=device == "cpu", **options)


def check_tracker(name: str) -> None:
    """Raise a UserError unless the experiment tracker is known and installed."""
    if name not in _TRACKERS:
        found = f"unknown tracker {name!r}{did_you_mean(name, _TRACKERS)}"
        raise UserError("engine.tracker", found, remedy=f"trackers: {', '.join(_TRACKERS)}")
    modules, package = _TRACKERS[name]
    if not any(importlib.util.find_spec(module) for module in modules):
        found = f"the tracker {name} is not installed"
        raise UserError("engine.tracker", found, remedy=f"pip install {package}")


@contextlib.contextmanager
def first_of_machine_first(accelerator: Any) -> Iterator[None]:
    """Run the block on the first process of each machine before the others, which then find what it has made.

    Unlike accelerate's `local_main_process_first`, the others do not wait for ever if the first one raises.
    """
    if not accelerator.is_local_main_process:
        accelerator.wait_for_everyone()
    try:
        yield
    finally:
        if accelerator.is_local_main_process:
            accelerator.wait_for_everyone()


def same_weights_everywhere(model: torch.nn.Module) -> None:
    """Give every process the weights of the first: another machine may hold other files."""
    if torch.distributed.is_initialized():
        for tensor in [*model.parameters(), *model.buffers()]:
            torch.distributed.broadcast(tensor.data, src=0)


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Sum the gradients of all processes, in place. Every process has to call this, with the same parameters."""
    if torch.distributed.is_initialized():
        gradients = [p.grad for p in parameters if p.grad is not None]
        for work in [torch.distributed.all_reduce(gradient, async_op=True) for gradient in gradients]:
            work.wait()


def processes_here(num_processes: int) -> int:
    """Return how many of a run's processes share this machine's CPU and main memory."""
    return processes_of(os.environ).num_here or num_processes


def smallest_everywhere(value: int, device: torch.device) -> int:
    """Return the smallest value over all processes. Every process has to call this."""
    found = torch.tensor(value, dtype=torch.int64, device=device)
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MIN)
    return int(found)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory: on a GPU it raises an error of its own class, on a CPU a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def give_back_memory() -> None:
    """Free the GPU memory that torch keeps for later tensors."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def use_deterministic_kernels() -> None:
    """Let torch compute the same bits every time on the same GPU, or raise where it cannot.

    Call it before the first CUDA call: cuBLAS reads the size of its workspace once
    (docs.pytorch.org/docs/stable/notes/randomness.html).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def recorded_device(device: str) -> RecordedDevice:
    """Return the hardware of this process."""
    if device == "cpu":
        return RecordedDevice(kind=device, num_threads=torch.get_num_threads())
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine() or device
    return RecordedDevice(kind=device, name=name)
