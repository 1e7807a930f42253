"""Memory, disk and cores, read from a made-up system under a temporary folder."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from civility.engine.hardware import (
    Memory,
    device_memory,
    forget_peak_memory,
    free_disk,
    main_memory,
    num_cores,
    peak_memory,
)

MIB = 2**20


def system(root: Path, files: dict[str, str]) -> Path:
    meminfo = f"MemTotal: {1024 * 1000} kB\nMemFree: {1024 * 500} kB\nMemAvailable: {1024 * 800} kB\n"
    for name, content in {"proc/meminfo": meminfo, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def group(folder: str, limit: object, used: int, cached: int) -> dict[str, str]:
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{used * MIB}\n",
        f"{folder}/memory.stat": f"anon 5\ninactive_file {cached * MIB}\n",
    }


def test_without_groups_all_memory_counts(tmp_path: Path) -> None:
    assert main_memory(system(tmp_path, {})) == Memory(1000 * MIB, 800 * MIB)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(600 * MIB, Memory(600 * MIB, 500 * MIB)), ("max", Memory(1000 * MIB, 800 * MIB))],
)
def test_a_group_limits_and_its_cache_is_free(tmp_path: Path, limit: object, expected: Memory) -> None:
    files = {"proc/self/cgroup": "0::/job\n", **group("sys/fs/cgroup/job", limit, used=150, cached=50)}
    assert main_memory(system(tmp_path, files)) == expected


def test_the_tightest_group_of_all_above_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/outer/inner\n",
        **group("sys/fs/cgroup/outer/inner", 900 * MIB, used=100, cached=0),
        **group("sys/fs/cgroup/outer", 400 * MIB, used=100, cached=0),
    }
    assert main_memory(system(tmp_path, files)) == Memory(400 * MIB, 300 * MIB)


def test_groups_of_the_first_version_are_read_too(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/memory/job"
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/job\n4:memory:/job\n",
        f"{base}/memory.limit_in_bytes": f"{300 * MIB}\n",
        f"{base}/memory.usage_in_bytes": f"{100 * MIB}\n",
        f"{base}/memory.stat": f"total_inactive_file {20 * MIB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n",
        "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0\n",
    }
    assert main_memory(system(tmp_path, files)) == Memory(300 * MIB, 220 * MIB)


def test_a_system_that_tells_nothing_is_asked_for_its_pages(tmp_path: Path) -> None:
    memory = main_memory(tmp_path)
    assert memory is None or memory.total == memory.available > 0


def test_this_machine_has_memory_and_disk(tmp_path: Path) -> None:
    memory = device_memory("cpu")
    assert memory is not None
    assert 0 < memory.available <= memory.total
    assert free_disk(tmp_path / "not" / "yet") == pytest.approx(free_disk(tmp_path), rel=0.5)


def siblings(*cores: str) -> dict[str, str]:
    """List the hardware threads of each CPU's core."""
    place = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    return {place.format(i): f"{core}\n" for i, core in enumerate(cores)}


def test_two_hardware_threads_of_a_core_count_as_one(tmp_path: Path) -> None:
    root = system(tmp_path, siblings("0,2", "1,3", "0,2", "1,3"))
    assert num_cores(root, range(4)) == 2
    assert num_cores(root, {0, 1}) == 2
    assert num_cores(root, {0, 2}) == 1
    assert num_cores(tmp_path / "nothing reported", range(4)) == 4


@pytest.mark.parametrize(
    ("quota", "expected"), [("max 100000", 8), ("400000 100000", 4), ("250000 100000", 2), ("50000 100000", 1)]
)
def test_a_quota_leaves_its_whole_cores(tmp_path: Path, quota: str, expected: int) -> None:
    files = {"proc/self/cgroup": "0::/outer/job\n", "sys/fs/cgroup/outer/cpu.max": f"{quota}\n"}
    assert num_cores(system(tmp_path, files), range(8)) == expected


@pytest.mark.parametrize(("quota", "expected"), [(-1, 8), (300000, 3)])
def test_quotas_of_the_first_version_are_read_too(tmp_path: Path, quota: int, expected: int) -> None:
    base = "sys/fs/cgroup/cpu/job"
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/job\n4:memory:/job\n",
        f"{base}/cpu.cfs_quota_us": f"{quota}\n",
        f"{base}/cpu.cfs_period_us": "100000\n",
    }
    assert num_cores(system(tmp_path, files), range(8)) == expected


def test_this_machine_has_a_core() -> None:
    assert 1 <= num_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system forgets no peak")
def test_the_peak_of_memory_is_what_the_kernel_tells_since_it_was_forgotten() -> None:
    large = np.ones(2**28, dtype=np.uint8)  # 256 MiB, touched
    before = peak_memory("cpu")
    assert before is not None
    assert before > large.nbytes
    assert before == pytest.approx(_peak_by_kernel(), rel=0.02)
    del large
    forget_peak_memory()
    after = peak_memory("cpu")
    assert after is not None
    assert after < before - 2**27
    assert after == pytest.approx(_peak_by_kernel(), rel=0.02)


def _peak_by_kernel() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set up")
@pytest.mark.parametrize("variable", ["", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_freed_memory_is_kept_unless_the_user_has_set_the_allocator(variable: str) -> None:
    # In a process of its own: the allocator cannot be asked to return to what it was.
    script = """
import resource, sys, torch
from civility.engine.hardware import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16, 1024, 1024)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
before = faults()
print(keep_freed_memory(), before, (faults(), faults())[1])
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    environment |= {variable: "glibc.malloc.check=0" if variable.startswith("GLIBC") else "1"} if variable else {}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    kept, before, after = done.stdout.split()
    assert kept == str(not variable)
    assert (int(after) < int(before) / 10) == (not variable), done.stdout
