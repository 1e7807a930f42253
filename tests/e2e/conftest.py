"""The command line in process: torch is imported once, and what a person would see is caught."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from civility.cli import main

QUICK = ("data.max_length=24", "training.learning_rate=1e-3", "training.precision=fp32", "training.device=cpu")


@dataclass(frozen=True)
class Done:
    """What a command left on the screen."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """All that was said, on one line: where a line of the screen ends depends on the terminal and on paths."""
        return " ".join(f"{self.out}\n{self.err}".split())


Run = Callable[..., Done]


def quick(*more: str) -> list[str]:
    """Return the options that make a training run small."""
    return [part for setting in (*QUICK, *more) for part in ("--set", setting)]


@pytest.fixture
def civility(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command and return its exit code and output."""

    def run(*arguments: object) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Done(int(stop.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def trained(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a tiny model on the built-in corpus."""
    out = tmp_path_factory.mktemp("trained") / "tiny"
    arguments = ["train", "starter", "--data", "civility:starter/held-out", "--model", str(tiny_bert)]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--out", str(out), *quick("training.epochs=2", "training.batch_size=32")])
    assert not stop.value.code
    return out


@pytest.fixture(scope="session")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the linear model on the built-in corpus."""
    out = tmp_path_factory.mktemp("linear") / "run"
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "train",
                "fast",
                "--data",
                "civility:starter/held-out",
                "--out",
                str(out),
                "--set",
                "linear.max_features=2000",
            ]
        )
    assert not stop.value.code
    return out
