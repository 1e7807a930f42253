"""Model cards: a README.md with the metadata that model hubs read, of a run, an ensemble or a soup."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from civility.documents.report import Report
from civility.metrics.small_samples import FEWEST
from civility.plain_text import as_code, as_markdown, as_yaml, count, printable, with_article
from civility.render.markdown.report_markdown import table, undefined_notes
from civility.render.sentences.report_sentences import (
    METRIC_NAMES,
    metric_text,
    not_chosen,
    not_measurable_sentence,
    optimism,
    other_scores,
)


@dataclass(frozen=True)
class CardFacts:
    """The facts about a run that its model card holds.

    Parameters
    ----------
    name : of the run
    base_model : the pretrained model
    recipe : the complete recipe, TOML
    num_training : training comments
    counts : by label, positive training comments and those with a known target
    training_digest : of the training data
    training_files : as given
    max_length : tokens at which comments are truncated; 0: they are not truncated
    best_epoch, epochs_run : from 1; 0 for a model without epochs
    versions : of the libraries, by name
    kind : an "encoder", which transformers can load too, or a "linear" model
    not_in_weights : labels of an encoder whose calibration transformers does not apply
    """

    name: str
    base_model: str
    recipe: str
    num_training: int
    counts: Mapping[str, tuple[int, int]]
    training_digest: str
    training_files: tuple[str, ...]
    max_length: int
    best_epoch: int
    epochs_run: int
    versions: Mapping[str, str]
    kind: str = "encoder"
    not_in_weights: tuple[str, ...] = ()


def model_card(facts: CardFacts, report: Report) -> str:
    """Return the card: YAML metadata with ``model-index``, then what a user should know."""
    return "\n\n".join(
        [
            metadata(facts.name, report, facts.base_model if facts.kind == "encoder" else None),
            introduction(facts.name, report, _made_how(facts), facts.max_length),
            usage(facts.max_length, facts.not_in_weights, for_transformers=facts.kind == "encoder"),
            results(report, "validation comments of the run", "chosen at the end of training"),
            reveals(facts.kind),
            _training(facts),
        ]
    )


def _made_how(facts: CardFacts) -> str:
    if facts.kind == "linear":
        return "logistic regression over TF-IDF of words and characters, trained with civility"
    return f"fine-tuned from {as_code(facts.base_model)} with civility"


def metadata(name: str, report: Report, base_model: str | None) -> str:
    """Return the YAML of a card; without ``base_model`` for a classifier that transformers cannot load."""
    metrics: list[dict[str, Any]] = []
    for metric in METRIC_NAMES:
        # Pairs and not a dict: a label may be named "macro".
        values = [("macro", getattr(report.macro, metric).value)]
        values += [(label, getattr(numbers, metric).value) for label, numbers in report.labels.items()]
        metrics += [
            {"type": metric, "name": f"{METRIC_NAMES[metric]} ({label})", "value": _rounded(value)}
            for label, value in values
            if value is not None
        ]
    index = [
        {
            "name": name,
            "results": [
                {
                    "task": {"type": "text-classification", "name": "multi-label toxicity"},
                    "dataset": {"name": f"validation split ({report.data.digest[:19]})", "type": "custom"},
                    "metrics": metrics,
                }
            ],
        }
    ]
    lines = [
        "---",
        f"library_name: {'civility' if base_model is None else 'transformers'}",
        "pipeline_tag: text-classification",
        'tags: ["toxicity", "multi-label", "civility"]',
        *([] if base_model is None else [f"base_model: {as_yaml(base_model)}"]),
        f"model-index: {as_yaml(index)}",
        "---",
    ]
    return "\n".join(lines)


def _rounded(value: float) -> float:
    """Round to six digits, or to four if six would be written as 1e-05, which YAML 1.1 reads as a string."""
    return round(value, 6 if value >= 1e-4 else 4)


def introduction(name: str, report: Report, made_how: str, max_length: int) -> str:
    """Return a description of the classifier and its limits; with a ``max_length`` of 0, comments are not truncated."""
    cut = f" Comments are truncated to {max_length} tokens." if max_length else ""
    return (
        f"# {as_markdown(name)}\n\n"
        f"A multi-label classifier of comments, {made_how}. Each label "
        f"has its own score in [0, 1]: {', '.join(as_code(label) for label in report.labels)}.\n\n"
        "**Known limits.** The classifier has learned the judgements of its annotators, with their biases: words that "
        "name groups of people may raise scores for no good reason, and it is weak on irony, quotations, new slang and "
        "languages that the training data does not cover. Choose a threshold for each label on your own data, and keep "
        "people in the decision." + cut
    )


def usage(max_length: int, not_in_weights: Sequence[str], *, for_transformers: bool) -> str:
    """Return how to score with the classifier.

    Parameters
    ----------
    max_length : tokens at which comments are truncated
    not_in_weights : labels whose calibration transformers does not apply
    for_transformers : whether transformers can load the classifier too
    """
    caveat = ""
    if not_in_weights:
        names = [as_code(label) for label in not_in_weights]
        caveat = f"\n\n{other_scores(names)} `civility.json` says where it is now (`in_head`)."
    own = (
        "## Use\n\n"
        "```python\n"
        "from civility import Classifier\n\n"
        'classifier = Classifier.load("FOLDER")\n'
        'classifier.score(["have a nice day"])   # (1, L), one score for each label\n'
        "```"
    )
    if not for_transformers:
        return own
    return (
        f"{own}\n\n"
        "or without civility:\n\n"
        "```python\n"
        "from transformers import pipeline\n\n"
        'classify = pipeline("text-classification", model="FOLDER", top_k=None)\n'
        f'classify(["have a nice day"], truncation=True, max_length={max_length})\n'
        "```" + caveat
    )


_PUBLIC = (
    "This card has the names of the training files and the complete recipe, with its paths. `civility.json` has "
    "digests of the comments used to choose epoch, calibration and thresholds: anyone who has the same comments can "
    "find out that they were used."
)
_REVEALS = {
    "linear": (
        "**`linear.json` has words and character sequences of the training comments in clear text**, with the weight "
        "of each and the number of comments it occurs in. It keeps the most frequent ones (`linear.max_features`); "
        "with few comments that is every word of every comment, including names and addresses. Do not give the folder "
        "to anyone who may not see such words."
    ),
    "encoder": (
        "The vocabulary is that of the pretrained model and has no words from the training comments. The weights were "
        "fitted to these comments: by scoring a comment, others may be able to guess whether it was among them."
    ),
    "ensemble": (
        "Each member reveals what it reveals by itself; **a linear member (`linear.json`) has words of its training "
        "comments in clear text**. `ensemble.json` has the names of the members and, if they are linked, their paths; "
        "an ensemble of ranks also has logits of the comments used to choose it, without their texts."
    ),
}


def reveals(kind: str) -> str:
    """Return what a classifier folder reveals about its training comments: what to know before sharing it."""
    return f"## What this folder reveals\n\n{_REVEALS[kind]}\n\n{_PUBLIC}"


def results(report: Report, comments: str, thresholds: str) -> str:
    """Return the numbers.

    Parameters
    ----------
    report : the numbers
    comments : which comments they were measured on
    thresholds : when the thresholds were chosen
    """
    parts = [
        "## Results",
        f"On the {report.data.num_comments:,} {comments}. {optimism(report)}",
        as_markdown(not_measurable_sentence(report)),
        f"**{as_markdown(warning)}**" if (warning := not_chosen(report.not_chosen_from_data)) else "",
        table(report),
        f"In brackets: 95 % intervals; precision, recall and F1 are at the thresholds {thresholds}. "
        "`civility.json` has the thresholds in use now.",
        undefined_notes(report),
    ]
    return "\n\n".join(part for part in parts if part)


def _training(facts: CardFacts) -> str:
    counts = "\n".join(
        f"| {as_code(label)} | {positive:,} | {known:,} | {_share(positive, known)} |"
        for label, (positive, known) in facts.counts.items()
    )
    files = ", ".join(as_code(file) for file in facts.training_files)
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    # The names of files in the recipe are the user's: the fence is longer than any in them.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", facts.recipe)), default=0))
    epochs = f"; epoch {facts.best_epoch} of {facts.epochs_run}" if facts.epochs_run else ""
    return (
        "## Training\n\n"
        f"{count(facts.num_training, 'comment')} from {files} ({as_code(facts.training_digest)})"
        f"{epochs}. {versions}.\n\n"
        f"| label | positive in training | known | share |\n|---|---:|---:|---:|\n{counts}\n\n"
        f"The complete recipe:\n\n{fence}toml\n{printable(facts.recipe.strip())}\n{fence}\n"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "-"


Method = Literal["scores", "logits", "ranks", "uniform", "greedy"]


@dataclass(frozen=True)
class Makeup:
    """Which classifiers were combined, and how.

    Parameters
    ----------
    kind : ensemble or soup
    method : what an ensemble averages: scores, logits or ranks; the runs of a soup: uniform (all) or greedy
    members : (M,) names, as given
    weights : (M,) shares in [0, 1]; 0 for a member that was left out
    scores : (M,) macro ROC AUC of each member on the comments used for the choice
    score : macro ROC AUC of the combination on the same comments
    digest : of these comments
    not_measurable : labels with too few positive or negative ones among them to measure a difference
    base_model : the model all members were fine-tuned from; None if transformers cannot load the combination
    """

    kind: Literal["ensemble", "soup"]
    method: Method
    members: tuple[str, ...]
    weights: tuple[float, ...]
    scores: tuple[float, ...]
    score: float
    digest: str
    not_measurable: tuple[str, ...] = ()
    base_model: str | None = None

    @property
    def best(self) -> int:
        """The place of the best member."""
        return max(range(len(self.members)), key=lambda place: self.scores[place])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before using it: whether its best member alone is better."""
        if not self.score < self.scores[self.best]:
            return ()
        numbers = (
            f"macro ROC AUC {self.score:.4f}, against {self.scores[self.best]:.4f} for {self.members[self.best]} alone"
        )
        if self.not_measurable:
            few = f"fewer than {FEWEST} positive or negative comments of {', '.join(self.not_measurable)}"
            return (
                f"whether the {self.kind} is better than its best member is not measurable ({numbers}): {few}; choose "
                "on more comments",
            )
        return (f"the {self.kind} is worse than its best member: {numbers}: use that one",)


def combined_card(
    name: str, makeup: Makeup, max_length: int, report: Report, not_in_weights: Sequence[str] = ()
) -> str:
    """Return the card: YAML metadata with ``model-index``, then what a user should know.

    Parameters
    ----------
    name : of the combination
    makeup : its members
    max_length : tokens at which comments are truncated; 0: they are not truncated
    report : on the comments used for the choice
    not_in_weights : labels whose calibration transformers does not apply
    """
    made = f"{with_article(makeup.kind)} of {len(makeup.members)} classifiers, made with civility"
    parts = [
        metadata(name, report, makeup.base_model),
        introduction(name, report, made, max_length),
        *(f"**{as_markdown(warning)}**" for warning in makeup.warnings),
        usage(max_length, not_in_weights, for_transformers=makeup.base_model is not None),
        results(report, "comments used to choose it", "chosen when it was made"),
        reveals("ensemble" if makeup.kind == "ensemble" else "encoder"),
        _made_of(makeup),
    ]
    return "\n\n".join(parts)


def _method(makeup: Makeup) -> str:
    kept = f"{sum(weight > 0 for weight in makeup.weights)} of {len(makeup.weights)} runs"
    sentences: dict[Method, str] = {
        "scores": "The mean of their calibrated scores.",
        "logits": "The mean of their logits before calibration.",
        "ranks": "The mean of the ranks of their scores among those of the comments below.",
        "uniform": "The mean of the weights of all runs.",
        "greedy": f"The mean of the weights of {kept}, chosen greedily by macro ROC AUC.",
    }
    return sentences[makeup.method]


def _made_of(makeup: Makeup) -> str:
    rows = "\n".join(
        f"| {as_code(member)} | {weight:.4g} | {metric_text(score)} |"
        for member, weight, score in zip(makeup.members, makeup.weights, makeup.scores, strict=True)
    )
    return (
        f"## Members\n\n{_method(makeup)} Chosen on {as_code(makeup.digest)}.\n\n"
        f"| member | weight | macro ROC AUC |\n|---|---:|---:|\n{rows}\n"
        f"| **{makeup.kind}** | | {metric_text(makeup.score)} |\n"
    )
