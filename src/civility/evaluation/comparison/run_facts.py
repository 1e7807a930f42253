"""Facts of a run for a comparison: seed, settings, time and memory, from its recipe, environment and logs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from civility.documents.comparison_result import RunFacts, Setting
from civility.documents.run_environment import RunEnvironment
from civility.errors import UserError
from civility.evaluation.comparison.compared_scores import Target
from civility.recipe import Recipe
from civility.recipe.differences import Reason, settings_for
from civility.run import RunDirectory

_FREE = settings_for(Reason.UPKEEP, Reason.LOGGING, Reason.SEED) | {
    "evaluation.texts_in_report",
    *("training.gradient_accumulation", "training.fit"),  # the comments of a step are shown as training.batch_size
}
"""Settings in which runs of one row may differ. The device and gradient checkpointing affect time and memory, which are
shown by row. The seed of the split may be written out or follow the seed: digests show whether comments are equal."""


def facts_of(target: Target) -> tuple[RunFacts, dict[str, Setting]]:
    """Return the facts of a target, and the settings that its results depend on, without the seed.

    Without a run, the only fact is a name, and the settings are empty. Facts from a damaged log are None.

    Raises
    ------
    UserError : the run's recipe cannot be read
    """
    run = target.run
    if run is None:
        return RunFacts(name=target.name), {}
    asked = run.load_recipe()
    recipe = {key: value for key, value in asked.flat().items() if asked.takes_part(key)}
    environment = _environment(run)
    if environment is not None and environment.combination is not None:
        # A combination of several runs: its recipe is that of the first, except the model.
        return RunFacts(name=target.name), {"model.name": recipe["model.name"]}
    facts = RunFacts(
        name=target.name,
        seed=int(recipe["seed"]),
        device=environment.device if environment else "",
        training_digest=environment.data.training.digest if environment else "",
    )
    facts = facts.model_copy(update=_epochs(run) | _times(run))
    settings = {key: value for key, value in recipe.items() if key not in _FREE}
    return facts, settings | _by_content(asked, settings, environment.num_processes if environment else 1)


def _by_content(asked: Recipe, settings: Mapping[str, Setting], num_processes: int) -> dict[str, Setting]:
    """Return settings that can be written in several ways in a single one: files by their names, batches as a whole.

    The comments of a step are the same however they are divided among micro-batches and processes.
    """
    found: dict[str, Setting] = {
        key: ",".join(Path(part).name for part in str(settings[key]).split(","))
        for key in ("data.files", "data.validation", "data.pseudo_labels")
        if isinstance(settings.get(key), str)
    }
    if "training.batch_size" in settings:
        found["training.batch_size"] = asked.training.batch_size * asked.training.gradient_accumulation * num_processes
    return found


def _environment(run: RunDirectory) -> RunEnvironment | None:
    try:
        return run.environment()
    except UserError:
        return None


def _lines(lines: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the readable lines of a log."""
    found: list[dict[str, Any]] = []
    try:
        found.extend(lines)
    except UserError:
        return found
    return found


def _epochs(run: RunDirectory) -> dict[str, int]:
    epochs = [line for line in _lines(run.read_metrics()) if line.get("kind") == "epoch"]
    numbers = {line["epoch"]: bool(line.get("best")) for line in epochs if isinstance(line.get("epoch"), int)}
    best = [number for number, is_best in numbers.items() if is_best]
    return ({"best_epoch": max(best)} if best else {}) | ({"num_epochs": max(numbers)} if numbers else {})


def _times(run: RunDirectory) -> dict[str, float | int | bool]:
    """Return the seconds of the epochs, each counted once, and the peak of memory over all lives of the run."""
    lines, seconds = _lines(run.read_timing()), run.seconds()
    peaks = [line["peak"] for line in lines if line.get("kind") == "memory" and isinstance(line.get("peak"), int)]
    found: dict[str, float | int | bool] = {"was_interrupted": any(line.get("kind") == "resumed" for line in lines)}
    if seconds is not None:
        found["seconds"] = seconds
    if peaks:
        found["peak_memory"] = max(peaks)
    return found
