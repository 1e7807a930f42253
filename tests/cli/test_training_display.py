"""What a terminal shows of an epoch: the metric by which the best one is chosen, and the star beside it."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from civility.cli.training_display import TrainingDisplay
from civility.engine.progress import EpochDone, StepDone, Validation
from civility.run import RunDirectory
from civility.training.events import EpochJudged, RunFinished, RunPlanned, Speed

from ..evaluation.synthetic import make_report

SPEED = Speed("eager", "", None, "switched off", "", checkpointing=False, num_frozen=0)
PLAN = RunPlanned(
    *(80, 8, ("toxic",), (), (), "tiny", Path("run"), 1_000, 100, SPEED),
    *(True, 0.0, "CPU", "fp32", 2, 5, 16, "bce", {"toxic": 1.0}),
)


def _shown(metric: str, *, is_best: bool) -> dict[str, str]:
    """Return the cells of an epoch's line by their heads."""
    console = Console(file=io.StringIO(), width=100, highlight=False, markup=False)
    display = TrainingDisplay(console)
    display.listen(replace(PLAN, metric=metric))
    validation = Validation(0.25, {"toxic": 0.875}, 0.875, 0.625)
    display.listen(EpochJudged(EpochDone(1, 5, 0.5, validation, 1.0), is_best))
    assert isinstance(console.file, io.StringIO)
    head, line = console.file.getvalue().splitlines()[-2:]
    names = [name for name in ("epoch", "loss", "val loss", "macro AUC", "macro AP", "toxic") if f"  {name}" in head]
    starts = [head.index(f"  {name}") + 2 for name in names]
    return {
        name: line[start:end].strip() for name, start, end in zip(names, starts, [*starts[1:], len(line)], strict=True)
    }


@pytest.mark.parametrize("is_best", [True, False])
def test_the_star_stands_beside_what_the_best_epoch_is_chosen_by(*, is_best: bool) -> None:
    star = " *" if is_best else ""
    assert _shown("macro_roc_auc", is_best=is_best) == {
        "epoch": "1",
        "loss": "0.5000",
        "val loss": "0.2500",
        "macro AUC": f"0.8750{star}",
        "toxic": "0.875",
    }
    assert _shown("loss", is_best=is_best)["val loss"] == f"0.2500{star}"
    assert _shown("loss", is_best=is_best)["macro AUC"] == "0.8750"
    by_precision = _shown("macro_average_precision", is_best=is_best)
    assert (by_precision["macro AUC"], by_precision["macro AP"]) == ("0.8750", f"0.6250{star}")


def test_another_optimizer_stands_in_the_plan() -> None:
    def plan_of(steps_by: str) -> str:
        console = Console(file=io.StringIO(), width=100, highlight=False, markup=False)
        TrainingDisplay(console).listen(replace(PLAN, steps_by=steps_by))
        assert isinstance(console.file, io.StringIO)
        return next(line for line in console.file.getvalue().splitlines() if line.startswith("  plan"))

    assert plan_of("").endswith("5 steps · 16 comments per step")
    assert plan_of("muon").endswith("5 steps · 16 comments per step · muon")


STEP = StepDone(
    *(3, 1, 0.6931, 2e-5, 1.0), skipped=False, num_comments=16, num_tokens=900, num_padded=1000, batch_size=16,
    seconds=0.1, stop=False,
)  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_the_bar_of_an_epoch_shows_the_time_left_in_every_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    display = TrainingDisplay(console)
    display.listen(replace(PLAN, steps_per_epoch=100_000))
    display.listen(STEP)
    display.close()
    assert isinstance(console.file, io.StringIO)
    frames = [Text.from_ansi(frame).plain for frame in re.split("\r|\n|\x1b\\[2K|\x1b\\[1A", console.file.getvalue())]
    last = [frame for frame in frames if "3/100,000" in frame]
    assert last
    assert all(frame.rstrip().endswith("left") for frame in last)
    assert max(map(cell_len, frames)) <= width
    assert ("comments/s" in last[-1]) == (width >= 100)


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_an_epoch_of_many_labels_fits(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, soft_wrap=True)
    display = TrainingDisplay(console)
    display.listen(PLAN)
    labels = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    validation = Validation(0.25, dict.fromkeys(labels, 0.875), 0.875)
    display.listen(EpochJudged(EpochDone(1, 5, 0.5, validation, 1.0), is_best=True))
    assert isinstance(console.file, io.StringIO)
    written = console.file.getvalue()
    assert max(map(len, written.splitlines())) <= width
    if width < 100:
        assert all(f"{label} 0.875" in written for label in labels)


@pytest.mark.parametrize(
    ("best", "run", "stopped", "shown"),
    [
        (0, 0, False, ""),
        (1, 1, False, "1 epoch   "),
        (2, 3, False, "best: epoch 2 of 3   "),
        (2, 4, True, "best: epoch 2 of 4, then stopped early   "),
    ],
)
def test_the_best_epoch_is_named_if_there_were_several(best: int, run: int, shown: str, *, stopped: bool) -> None:
    finished = RunFinished(RunDirectory(Path("run")), make_report(50, ["toxic"]), best, run, stopped, 65.0)
    console = Console(file=io.StringIO(), width=100, highlight=False, markup=False, soft_wrap=True)
    TrainingDisplay(console).listen(finished)
    assert isinstance(console.file, io.StringIO)
    blank = "\n" if shown else ""  # below the epochs; without epochs the checks end with an empty line
    assert console.file.getvalue().startswith(f"{blank}  {shown}0:01:05 in total\n")
