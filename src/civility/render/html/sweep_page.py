"""The page of a sweep: one file that needs no other and no network, from the document alone."""

from civility.documents.sweep_result import SweepResult
from civility.render.charts import sweep_charts
from civility.render.charts.svg import Drawing
from civility.render.html.page import PageSection, put_together
from civility.render.markdown.sweep_markdown import in_order
from civility.render.numbers import DASH, whole
from civility.render.sentences.report_sentences import METRIC_WORDS
from civility.render.sentences.sweep_sentences import (
    counts,
    next_steps,
    settings_words,
    short_names,
    value_words,
    verdict,
    why_words,
)

_SECTIONS = (
    PageSection("history", "History"),
    PageSection("importance", "Importance"),
    PageSection("parallel", "Parallel coordinates"),
    PageSection("trials", "Trials"),
    PageSection("method", "What this is worth, and what next"),
)


def to_html(result: SweepResult) -> str:
    """Return the page."""
    names, best = short_names(result.space), result.ranked[0] if result.ranked else None
    has_epochs = any(one.scores for one in result.trials)
    drawings: dict[str, Drawing | None] = {
        "history": sweep_charts.history(result),
        "by_epoch": sweep_charts.by_epoch(result) if has_epochs else None,
        "importance": sweep_charts.importance(result) if result.importance else None,
        "parallel": sweep_charts.parallel(result),
    }
    values = {
        "result": result,
        "metric": METRIC_WORDS[result.metric],
        "best": best,
        "settings_of_best": settings_words(best.settings, names) if best else "",
        "facts": {
            "Trials": counts(result),
            "Sampler": result.search["sampler"],
            "Pruner": result.search["pruner"],
            "Seed": result.search["seed"],
            "Training comments": whole(result.num_training),
            "Validation comments": whole(result.num_validation),
            "Model": result.recipe.get("model.name", ""),
        },
        "sentences": verdict(result),
        "has_scores": any(one.best is not None for one in result.trials),
        "drawings": drawings,
        "names": list(names.values()),
        "trials": [
            (
                trial,
                [value_words(trial.settings[key]) if key in trial.settings else DASH for key in result.space],
                why_words(trial),
            )
            for trial in in_order(result)
        ],
        "commands": next_steps(result),
    }
    return put_together("sweep", f"sweep {result.name}", _SECTIONS, values)
