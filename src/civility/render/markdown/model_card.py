"""The model card of a classifier: a README.md with the metadata that model hubs read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from civility.documents.report import Report
from civility.plain_text import as_code, as_markdown, as_yaml, count, printable
from civility.render.markdown.report_markdown import table, undefined_notes
from civility.render.sentences.report_sentences import METRIC_NAMES, not_chosen, optimism, other_scores, too_few


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
        as_markdown(too_few(report)),
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
