"""The errors of the command line itself: their codes, and what a user can do about errors of the system."""

import errno
from pathlib import Path

import pytest

from civility.cli import _explained, _run

from ..refusals import refused


def test_options_that_exclude_each_other_are_refused() -> None:
    with refused("cli.conflicting-options", "--resume and --restart exclude each other"):
        _run(["train", "starter", "--resume", "--restart"])
    with refused("cli.conflicting-options", "--validation and --folds exclude each other"):
        _run(["train", "starter", "--folds", "3", "--validation", "0.1"])


def test_a_nul_character_is_refused() -> None:
    with refused("cli.bad-usage", "a NUL character"):
        _run(["predict", "a\0b"])


def test_a_sweep_needs_comments_to_train_on(tmp_path: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text('[space]\n"training.epochs" = [1, 2]\n', encoding="utf-8")
    with refused("cli.no-training-data", "give --data FILE"):
        _run(["sweep", "baseline", "--space", str(space), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "out.csv"), "cli.system-error", "out.csv: No space left"),
        (MemoryError(), "cli.out-of-memory", "not enough memory: MemoryError"),
        (RuntimeError("[enforce] DefaultCPUAllocator: no"), "cli.out-of-memory", "not enough memory: [enforce]"),
        (RuntimeError("std::bad_alloc"), "cli.out-of-memory", "not enough memory: std::bad_alloc"),
        (ModuleNotFoundError(name="torch.nn"), "cli.missing-package", "this needs torch.nn, which is not installed"),
        (ModuleNotFoundError(name="optuna"), "cli.missing-package", "pip install 'civility[sweep]'"),
    ],
)
def test_what_a_user_can_fix_is_explained(error: Exception, code: str, text: str) -> None:
    explained = _explained(error)
    assert explained is not None
    assert explained.code == code
    assert text in str(explained)


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), ModuleNotFoundError(name="nonsense")])
def test_any_other_error_is_a_bug(error: Exception) -> None:
    assert _explained(error) is None
