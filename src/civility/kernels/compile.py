"""Compiles the kernels with the machine's own compiler at their first use, and keeps them in the cache.

They are called through a plain C interface, so a new torch needs no new compilation, and no headers of torch.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

_SOURCE = Path(__file__).with_name("layer.cpp")
# Not -ffast-math: linked with it, a library makes the whole process flush small numbers to zero.
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-fPIC", "-shared")
_COMPILERS = ("c++", "g++", "clang++")
_LONGEST = 120  # seconds


class Dropout(ctypes.Structure):
    """What a kernel drops, by value: the key of its draws, the draw below which it drops, and the scale of the rest."""

    _fields_ = (("key", ctypes.c_uint64), ("limit", ctypes.c_uint32), ("scale", ctypes.c_float))


_P, _I, _F = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
_ARGUMENTS = {  # in the order of layer.cpp
    "norm_forward": (*[_P] * 9, *[_I] * 3, _F, Dropout),
    "norm_backward": (*[_P] * 8, *[_I] * 3, Dropout),
    "gelu_forward": (*[_P] * 3, *[_I] * 3),
    "gelu_backward": (*[_P] * 5, *[_I] * 3),
    "split_heads": (*[_P] * 4, *[_I] * 6, _F),
    "join_heads": (*[_P] * 4, *[_I] * 6, _F),
    "softmax_forward": (*[_P] * 5, *[_I] * 4, _F, Dropout),
    "softmax_backward": (*[_P] * 6, *[_I] * 4, _F, Dropout),
}
Kernels = Mapping[tuple[str, bool], Callable[..., None]]
"""By name, and whether numbers are bfloat16 instead of float32. Tensors are passed as addresses."""


class Unavailable(Exception):
    """The kernels cannot be compiled or loaded here; the message is the reason in a few words."""


@functools.cache
def load_kernels(cache: Path | None) -> Kernels:
    """Return the compiled kernels.

    Parameters
    ----------
    cache : folder that keeps the compiled library; None to compile it for this process only

    Raises
    ------
    Unavailable : another system than Linux, no compiler, or the compiler fails
    """
    if platform.system() != "Linux":
        raise Unavailable(f"not compiled on {platform.system()}")
    openmp = _loaded_openmp()
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, _COMPILERS)), "")
    if not compiler:
        raise Unavailable("no C++ compiler on this machine")
    try:
        if cache is None:
            with tempfile.TemporaryDirectory() as folder:
                library = ctypes.CDLL(str(_compiled(Path(folder), compiler, openmp)))
        else:
            library = ctypes.CDLL(str(_compiled(cache, compiler, openmp)))
    except OSError as error:
        raise Unavailable(f"the kernels cannot be compiled: {error.strerror or error}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{Path(compiler).name} took more than {_LONGEST} seconds") from error
    library.kernel.restype, library.kernel.argtypes = _P, (_I, _I)
    return {
        (name, is_half): ctypes.CFUNCTYPE(None, *arguments)(library.kernel(number, is_half))
        for number, (name, arguments) in enumerate(_ARGUMENTS.items())
        for is_half in (False, True)
    }


def _loaded_openmp() -> Path:
    """Return the OpenMP library that torch has loaded: with another one, each would have threads of its own."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise Unavailable("the system does not name torch's OpenMP library") from error
    found = {line.split(maxsplit=5)[-1] for line in lines if "/lib" in line and ".so" in line}
    names = [Path(one) for one in sorted(found) if Path(one).name.startswith(("libgomp", "libiomp5", "libomp"))]
    if not names:
        raise Unavailable("torch was built without OpenMP")
    return names[0]


def _compiled(folder: Path, compiler: str, openmp: Path) -> Path:
    """Return the library in a folder, compiled if it is not there for this source, compiler, CPU and OpenMP."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False, timeout=_LONGEST).stdout
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    flags = next((line for line in cpu.splitlines() if line.startswith(("flags", "Features"))), platform.machine())
    parts = (_SOURCE.read_bytes(), version, flags.encode(), str(openmp).encode(), repr(_FLAGS).encode())
    path = folder / f"layer-{hashlib.sha256(b'|'.join(parts)).hexdigest()[:16]}.so"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as made:
        new = Path(made) / path.name
        command = [compiler, *_FLAGS, str(_SOURCE), "-o", str(new), str(openmp)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LONGEST)
        if done.returncode:
            first = next(iter(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
            raise Unavailable(f"{Path(compiler).name} failed: {first[:200]}")
        new.replace(path)  # at once, so that another process never sees a part of it
    return path
