"""What a terminal shows of an epoch: the metric by which the best one is chosen, and the star beside it."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from civility.cli.display import TrainingDisplay
from civility.train.facts import EpochJudged, RunPlanned, Speed
from civility.training.progress import EpochDone, Validation

SPEED = Speed("eager", "", None, "switched off", "", checkpointing=False, num_frozen=0)
PLAN = RunPlanned(
    *(80, 8, ("toxic",), (), (), "tiny", 1_000, 100, SPEED, True, 0.0, "CPU", "fp32", 2, 5, 16, "bce", {"toxic": 1.0}),
    path=Path("run"),
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


def test_another_optimiser_stands_in_the_plan() -> None:
    def plan_of(steps_by: str) -> str:
        console = Console(file=io.StringIO(), width=100, highlight=False, markup=False)
        TrainingDisplay(console).listen(replace(PLAN, steps_by=steps_by))
        assert isinstance(console.file, io.StringIO)
        return next(line for line in console.file.getvalue().splitlines() if line.startswith("  plan"))

    assert plan_of("").endswith("5 steps · 16 comments a step")
    assert plan_of("muon").endswith("5 steps · 16 comments a step · muon")
