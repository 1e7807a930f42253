"""What a sweep leaves: its result as JSON, Markdown and a page, and the best trial's recipe, complete."""

from civility.data.prepare import PreparedData
from civility.documents.sweep_result import METRIC_WORDS, SweepResult
from civility.plain_text import one_line
from civility.recipe import Recipe
from civility.render.html.sweep_page import to_html
from civility.render.markdown.sweep_markdown import to_markdown
from civility.search.space import Space, with_settings
from civility.search.study import Study
from civility.search.sweep_directory import SweepDirectory
from civility.storage.atomic_files import real_path, write_file


def gather(
    recipe: Recipe, space: Space, num_planned: int, study: Study, data: PreparedData, *, with_importance: bool = False
) -> SweepResult:
    """Return how a sweep stands.

    Parameters
    ----------
    recipe : what all trials share
    space : what varies
    num_planned : trials of the whole study
    study : whose trials they are
    data : the comments
    with_importance : which takes a moment
    """
    importance, why = study.importance() if with_importance else ({}, None)
    described = space.described()
    return SweepResult(
        name=one_line(real_path(study.directory.path).name),
        recipe=recipe.flat(),
        metric=recipe.training.metric,
        search=described["sweep"],
        space=described["space"],
        num_planned=num_planned,
        trials=study.lines(),
        importance=dict(sorted(importance.items(), key=lambda item: -item[1])),
        why_no_importance=why,
        num_training=len(data.training),
        num_validation=len(data.validation),
    )


def write_result(result: SweepResult, recipe: Recipe, directory: SweepDirectory) -> None:
    """Write the result into the sweep's directory, in place of the one before.

    Raises
    ------
    UserError : no permission, no space
    """
    texts = {
        directory.json: result.to_json(),
        directory.markdown: to_markdown(result),
        directory.html: to_html(result),
    }
    if result.ranked:
        texts[directory.best] = best_recipe(result, recipe)
    for path, text in texts.items():
        with write_file(path) as file:
            file.write(text)


def best_recipe(result: SweepResult, recipe: Recipe) -> str:
    """Return the recipe of the best trial as TOML, every setting written out; there has to be one."""
    best = result.ranked[0]
    score = f"{METRIC_WORDS[result.metric]} {best.best:.4f}"
    epoch = f" in epoch {best.best_epoch}" if best.best_epoch else ""
    return (
        f"# The best of {len(result.ranked)} finished trials of the sweep {result.name}: trial {best.number:04d}, "
        f"{score}{epoch}.\n"
        "# It was chosen on the comments that it is scored on, so the score is optimistic: see sweep.md.\n\n"
        + with_settings(recipe, best.settings, "the best trial").to_toml()
    )
