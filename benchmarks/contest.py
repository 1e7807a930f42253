"""How contestants are compared: in an order that favours none, by medians and ratios with their spread.

Knows neither training nor scoring.
"""

import ctypes
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from own_process import forget_peak, peak_bytes

from civility.engine.devices import give_back_memory, recorded_device
from civility.render.sentences.plan_sentences import device_words
from civility.run.versions import library_versions

_PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_PRODUCT_REPEATS = 7


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of at least one number."""
        return cls(statistics.median(values), min(values), max(values))

    def written(self, digits: int) -> str:
        """Return the median, and in brackets the least and the greatest where they differ as written."""
        median, least, greatest = (f"{value:,.{digits}f}" for value in (self.median, self.least, self.greatest))
        return median if least == greatest else f"{median} ({least}-{greatest})"


def orders(names: Sequence[str], num_rounds: int) -> list[list[str]]:
    """Return the order of each round: every second one is the reverse of the one before, and the pairs are rotated.

    What a machine does to the first or to the last of a round, warm or throttled, falls on all alike.
    """
    rounds = []
    for number in range(num_rounds):
        turn = (number // 2) % len(names)
        order = [*names[turn:], *names[:turn]]
        rounds.append(order[::-1] if number % 2 else order)
    return rounds


def ratios(some: Sequence[float], others: Sequence[float]) -> Spread:
    """Return how many times larger some numbers are than others, round by round."""
    return Spread.of([one / other for one, other in zip(some, others, strict=True)])


def now(device: str) -> float:
    """Return the time in seconds, when a GPU has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class Meter:
    """Seconds and the highest memory of a contestant: of the whole, and from `start` to `stop`.

    On CUDA memory is the device's, else what the process has resident. NaN if the system does not report it.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._before = self._started = self.seconds = self.peak = self.whole_peak = float("nan")
        self._forget()

    def start(self) -> None:
        """Begin to measure: what comes before is loading and warming up."""
        self._before = self._peak()
        self._forget()
        self._started = now(self._device)

    def stop(self) -> None:
        """End what `start` began."""
        self.seconds = now(self._device) - self._started
        self.peak = self._peak()
        self.whole_peak = max(self._before, self.peak)

    def _forget(self) -> None:
        if self._device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        else:
            self._can_forget = forget_peak()

    def _peak(self) -> float:
        if self._device == "cuda":
            return float(torch.cuda.max_memory_allocated())
        return float(peak_bytes()) if self._can_forget else float("nan")


@contextmanager
def left_as_found() -> Iterator[None]:
    """Undo what a contestant changes for the whole process, and give its memory back to the system."""
    num_threads, products = torch.get_num_threads(), torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
        torch.set_float32_matmul_precision(products)
        gc.collect()
        give_back_memory()
        if platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)  # it keeps what is free, and the next contestant would be charged for it


def in_rounds(
    contestants: dict[str, Callable[[], Any]], num_rounds: int, report: Callable[[str], None]
) -> dict[str, list[Any]]:
    """Let every contestant run once a round; return what each gave, round by round."""
    given: dict[str, list[Any]] = {name: [] for name in contestants}
    for number, order in enumerate(orders(list(contestants), num_rounds)):
        for name in order:
            report(f"round {number + 1} of {num_rounds}: {name}")
            with left_as_found():
                given[name].append(contestants[name]())
    return given


def product_peak(device: str, precision: str) -> float:
    """Return the floating-point operations per second of a large matrix product: what the machine can do at most.

    The best of several, since whatever else the machine does takes away from it and adds nothing.
    """
    size = _PRODUCT_SIZE.get(device, 2048)
    left, right = (torch.randn(size, size, device=device, dtype=_DTYPES[precision]) for _ in range(2))
    seconds = []
    for _ in range(_PRODUCT_REPEATS):
        started = now(device)
        left @ right
        seconds.append(now(device) - started)
    return 2 * size**3 / min(seconds)


def machine(device: str, precision: str) -> dict[str, str]:
    """Return what the numbers hold for: device, precision, versions."""
    versions = library_versions()
    return {
        "device": device_words(recorded_device(device)),
        "precision": precision,
        **{name: str(versions[name]) for name in ("python", "torch", "transformers") if name in versions},
    }


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is on the left and whose others are on the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_json(path: Path | None, content: object) -> None:
    """Write the numbers where asked."""
    if path is not None:
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
