"""The words of a sweep: names of settings, scores, and how far its result can be trusted."""

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from civility.documents.label_report import Estimate
from civility.documents.sweep_result import FEWEST_FOR_IMPORTANCE, MOST_TOP, State, SweepResult, TrialLine
from civility.plain_text import count
from civility.recipe.settings import LINEAR_MODEL
from civility.render.sentences.report_sentences import METRIC_WORDS, with_interval


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Return each setting's last word, or the whole key if two settings share it."""
    every = list(keys)
    last = [key.rpartition(".")[2] for key in every]
    return {key: word if last.count(word) == 1 else key for key, word in zip(every, last, strict=True)}


def value_words(value: Any) -> str:
    """Return the value of a setting: four significant digits, lists as JSON."""
    if isinstance(value, bool | list):
        return json.dumps(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def settings_words(settings: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return settings as ``name=value``, separated by spaces."""
    return " ".join(f"{names.get(key, key)}={value_words(value)}" for key, value in settings.items())


def counts(result: SweepResult, *, is_live: bool = False) -> str:
    """Return the number of trials in each state; while the sweep runs, its unfinished trials are called running."""
    kinds: tuple[State, ...] = ("finished", "pruned", "failed", "unfinished")
    words = {"unfinished": "running"} if is_live else {}
    states = ", ".join(f"{result.num(state)} {words.get(state, state)}" for state in kinds if result.num(state))
    return f"{len(result.trials)} of {count(result.num_planned, 'trial')}" + (f": {states}" if states else "")


def score_words(trial: TrialLine) -> str:
    """Return a trial's best score and its interval."""
    return with_interval(Estimate(value=trial.best, low=trial.low, high=trial.high), 4)


def verdict(result: SweepResult) -> list[str]:
    """Return how far the best score can be trusted; a single sentence if there is none yet."""
    ranked = result.ranked
    if not ranked:
        return ["No trial has finished yet, so there is nothing to choose."]
    best = ranked[0]
    name = METRIC_WORDS[result.metric]
    if len(ranked) == 1:
        return [f"One trial has finished, with {name} {score_words(best)}: there is nothing to compare it with."]
    sentences = [
        f"The best score, {name} {score_words(best)}, is the best of {len(ranked)} finished trials, chosen on the "
        f"{result.num_validation:,} validation comments that it is measured on. It is optimistic: the luckiest trial "
        "is ahead of equally good ones (winner's curse), and on other comments it will most likely be less."
    ]
    if result.luck is not None:
        sentences.append(
            f"If all {result.num_tried} that finished or were pruned were equally good, the choice of comments alone "
            f"would put the best ahead by up to about {result.luck:.4f}"
            + (
                "."
                if _is_linear(result)
                else "; every trial is a single run, and the effect of its seed adds to that, often more: only several "
                "seeds show it (--seeds)."
            )
        )
    num_points = len({str(sorted(one.settings.items())) for one in ranked})
    if num_points < len(ranked):
        sentences.append(
            f"Some trials drew the same settings as others: of {len(ranked)}, {num_points} differ. "
            'A grid (sampler = "grid") tries each point of a small space once.'
        )
    sentences.append(_of_the_followers(result))
    return sentences


def _of_the_followers(result: SweepResult) -> str:
    best, second = result.ranked[:2]
    gap = abs((best.best or 0.0) - (second.best or 0.0))
    if best.low is None or best.high is None:
        return f"The second best is {gap:.4f} behind; this metric has no interval to compare that with."
    if not result.rivals:
        seeds = "" if _is_linear(result) else "; other seeds may still change the order"
        return (
            f"The second best is {gap:.4f} behind, outside the 95 % interval of the best: the best is likely to be "
            f"ahead on other comments too, by less{seeds}."
        )
    num = len(result.rivals)
    return (
        f"The second best is {gap:.4f} behind, and {count(num, 'other trial')} lie"
        f"{'s' if num == 1 else ''} inside the 95 % interval of the best, which is "
        f"{best.high - best.low:.4f} wide: this sweep does not show which of them is better."
    )


def no_importance(result: SweepResult) -> str:
    """Return why the importance of settings is missing."""
    match result.why_no_importance:
        case "few_trials":
            num = result.num("finished")
            return f"importance needs {FEWEST_FOR_IMPORTANCE} finished trials, and there are {num}"
        case "equal_scores":
            return "all finished trials have the same score"
    return "not measured"


def end_sentence(trial: TrialLine) -> str:
    """Return why a trial was pruned or failed; empty if it was not. The message of an error may have several lines."""
    if trial.why is None:
        return ""
    match trial.why.code:
        case "pruned":
            return f"after epoch {trial.why.epoch} of {trial.epochs} its best was worse than half of the others'"
        case "out_of_memory":
            return "the memory is too small for it"
        case "damaged_log":
            return f"{trial.why.text} is damaged"
        case "not_measured":
            return f"{trial.why.text} is not measured of a model that is fitted without epochs"
    return trial.why.text


def why_words(trial: TrialLine) -> str:
    """Return why a trial ended, in one line, with the check that failed; empty if unknown."""
    first, *rest = [line.strip() for line in end_sentence(trial).splitlines()] or [""]
    return f"{first}: {rest[0]}" if rest and not first.endswith((".", ":")) else first


def next_steps(result: SweepResult, folder: str = "") -> list[str]:
    """Return the commands that compare the top trials, and train the best with more seeds; a linear model on folds."""
    top = [one.number for one in result.ranked[:MOST_TOP]]
    if not top:
        return []
    where = folder or result.name
    runs = shlex.join(f"{where}/trials/{number:04d}" for number in top)
    commands = [f"civility compare {runs}"] if len(top) > 1 else []
    more = "--folds 5" if _is_linear(result) else "--seeds 3"
    return [*commands, f"civility train {shlex.quote(f'{where}/best.toml')} {more}"]


def _is_linear(result: SweepResult) -> bool:
    """Whether the best trial is a linear model, which has no seed."""
    return {**result.recipe, **result.ranked[0].settings}.get("model.name") == LINEAR_MODEL
