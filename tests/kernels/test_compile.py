"""Compiling the kernels: once for each machine, and a reason where it cannot be done."""

import os
from pathlib import Path

import pytest
import torch  # noqa: F401 - loads the OpenMP library that the kernels share

from civility.kernels import compile as kernels
from civility.kernels.compile import Unavailable, load_kernels


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """Let each test begin with nothing loaded."""
    load_kernels.cache_clear()


def _script(folder: Path, text: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_library_is_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        load_kernels(tmp_path / "cache")
    except Unavailable as error:
        pytest.skip(f"no kernels here: {error}")
    (made,) = (tmp_path / "cache").iterdir()
    before = made.stat().st_mtime_ns
    load_kernels.cache_clear()
    load_kernels(tmp_path / "cache")
    assert [path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()] == [before]
    load_kernels.cache_clear()
    monkeypatch.setattr(kernels, "_FLAGS", (*kernels._FLAGS, "-DOTHER"))
    load_kernels(tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2, "the control: other flags are another library"


def test_a_machine_without_a_compiler_has_no_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"no C\+\+ compiler on this machine"):
        load_kernels(tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 'layer.cpp:1: error: what is this' >&2; exit 1", "compiler failed: layer.cpp:1: error: what is this"),
        ("exit 3", "compiler failed: exit code 3"),
        (
            '[ "$1" = --version ] && exit 0; while [ "$1" != -o ]; do shift; done; echo nonsense > "$2"',
            "cannot be compiled",
        ),
    ],
    ids=["an error", "no message", "nonsense"],
)
def test_a_compiler_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setenv("CXX", _script(tmp_path, text))
    with pytest.raises(Unavailable, match=reason):
        load_kernels(tmp_path / "cache")


@pytest.mark.parametrize("text", ["sleep 60", '[ "$1" = --version ] || sleep 60'], ids=["at once", "while compiling"])
def test_a_compiler_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CXX", _script(tmp_path, text))
    monkeypatch.setattr(kernels, "_LONGEST", 0.5)
    with pytest.raises(Unavailable, match=r"compiler took more than 0\.5 seconds"):
        load_kernels(tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="the kernels cannot be compiled"):
        load_kernels(tmp_path / "file" / "cache")


def test_another_system_has_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(Unavailable, match="not compiled on Darwin"):
        load_kernels(None)


def test_the_variable_cxx_names_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("CXX", _script(tmp_path, f"echo called >> {log}; exit 1"))
    with pytest.raises(Unavailable):
        load_kernels(tmp_path / "cache")
    assert log.read_text(encoding="utf-8").count("called") == 2  # for its version, and to compile
    assert os.environ["CXX"].endswith("compiler")
