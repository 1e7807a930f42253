"""What families take their copies from: small models, runs, sweeps and reports, each made when first asked for."""

import csv
import shutil
from functools import cached_property
from pathlib import Path

from ..conftest import comment_rows
from .command import Command, Outcome, Server

QUICK = (
    *("data.max_length=24", "data.validation=0.3", "training.epochs=1", "training.batch_size=16"),
    *("training.learning_rate=1e-3", "training.precision=fp32", "training.device=cpu", "training.checkpoint_steps=1"),
)
LINEAR = ("linear.max_features=200", "data.validation=0.3")


def settings(*changes: str) -> list[str]:
    """Return the options that change settings."""
    return [part for change in changes for part in ("--set", change)]


class Shelf:
    """Things to make copies of, in a folder; nobody changes them."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        folder.mkdir(parents=True)

    def copy(self, name: str, to: Path) -> Path:
        """Copy a thing by the name that it has here, and return the copy."""
        source: Path = getattr(self, name)
        copied: str | Path = (
            shutil.copytree(source, to, symlinks=True) if source.is_dir() else shutil.copyfile(source, to)
        )
        return Path(copied)

    def _make(self, name: str, *arguments: object) -> Path:
        """Run a command of which an ``--out`` is made, and return that."""
        out = self.folder / name
        self._run(*arguments, "--out", out)
        return out

    def _run(self, *arguments: object, program: str = "civility") -> Outcome:
        done = self.server.run(Command(tuple(map(str, arguments)), program=program), self.folder)
        assert (done.code, done.signal) == (0, 0), done.out + done.err
        return done

    @cached_property
    def bert(self) -> Path:
        """A tiny encoder without a head."""
        out = self.folder / "bert"
        self._run(out, program=f"{Path(__file__).with_name('programs.py')}:make_bert")
        return out

    @cached_property
    def comments(self) -> Path:
        """Sixty labelled comments."""
        path = self.folder / "comments.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(comment_rows(1)[0]))
            writer.writeheader()
            writer.writerows(comment_rows(60))
        return path

    @cached_property
    def encoder(self) -> Path:
        """A finished run of the tiny encoder."""
        return self._encoder("encoder", 1)

    @cached_property
    def other_encoder(self) -> Path:
        """The same with another seed, on the same split."""
        return self._encoder("other-encoder", 2)

    def _encoder(self, name: str, seed: int) -> Path:
        options = settings(*QUICK, f"seed={seed}", "data.split_seed=1")
        return self._make(name, "train", "baseline", "--data", self.comments, "--model", self.bert, *options)

    @cached_property
    def interrupted(self) -> Path:
        """The run of the tiny encoder as it was before its last files: it can be resumed."""
        out = self.copy("encoder", self.folder / "interrupted")
        shutil.rmtree(out / "classifier")
        shutil.rmtree(out / "reports")
        (out / "reports").mkdir()
        return out

    @cached_property
    def linear(self) -> Path:
        """A finished run of the linear model."""
        options = settings(*LINEAR, "data.split_seed=1")
        return self._make("linear", "train", "fast", "--data", self.comments, *options)

    @cached_property
    def ensemble(self) -> Path:
        """A run directory with an ensemble of the two kinds."""
        return self._make("ensemble", "ensemble", self.encoder, self.linear)

    @cached_property
    def ranks(self) -> Path:
        """An ensemble by ranks, of two linear models."""
        return self._make("ranks", "ensemble", self.linear, self.encoder, "--by", "ranks", "--weights", "2", "1")

    @cached_property
    def seeds(self) -> Path:
        """A folder of two runs of the tiny encoder."""
        options = ("--model", self.bert, "--seeds", "2", *settings(*QUICK))
        return self._make("seeds", "train", "baseline", "--data", self.comments, *options)

    @cached_property
    def other_linear(self) -> Path:
        """A linear model with another setting, on the same split."""
        options = settings(*LINEAR, "data.split_seed=1", "linear.c=0.5")
        return self._make("other-linear", "train", "fast", "--data", self.comments, *options)

    @cached_property
    def space(self) -> Path:
        """A space of two points."""
        path = self.folder / "space.toml"
        path.write_text('[sweep]\nsampler = "grid"\n[space]\n"linear.c" = [0.5, 1.0]\n', encoding="utf-8")
        return path

    @cached_property
    def sweep(self) -> Path:
        """A finished sweep of the linear model; see `sweep_arguments`."""
        out = self.folder / "sweep"
        self._run(*self.sweep_arguments(out))
        return out

    def sweep_arguments(self, out: object, *, trials: int = 2) -> tuple[str, ...]:
        """Return the command that made the sweep, and that resumes a copy of it."""
        named = ("--data", str(self.comments), "--space", str(self.space), "--trials", str(trials), "--out", str(out))
        return ("sweep", "fast", *named, *settings(*LINEAR))

    @cached_property
    def report(self) -> Path:
        """A folder of two reports on the same comments, a.json and b.json, with their scores."""
        out = self.folder / "report"
        for name, run in (("a", self.linear), ("b", self.other_linear)):
            options = ("--data", self.comments, "--name", name, "--resamples", "100", "--out", out)
            self._run("evaluate", run, *options)
        return out
