"""The model card of a classifier: a README.md with the metadata that model hubs read. Written from a run."""

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
    """What a model card tells of a run, in plain values.

    Parameters
    ----------
    name : of the run
    base_model : what was fine-tuned
    recipe : the complete recipe, TOML
    num_training : training comments
    counts : training comments by label, positive ones and those whose target is known
    training_digest : of the training data
    training_files : as they were given
    max_length : tokens
    best_epoch, epochs_run : 1-based; 0 of a model that has no epochs
    versions : of the libraries
    kind : what was trained: an "encoder", which transformers loads too, or a "linear" model
    not_in_weights : labels whose calibration transformers does not apply; of an encoder
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
    """Return the card: YAML metadata with ``model-index``, then what a user has to know."""
    return "\n\n".join(
        [
            metadata(facts.name, report, facts.base_model if facts.kind == "encoder" else None),
            introduction(facts.name, report, _made_how(facts), facts.max_length),
            usage(facts.max_length, facts.not_in_weights, for_transformers=facts.kind == "encoder"),
            results(report, "validation comments of the run", "with which training ended"),
            reveals(facts.kind),
            _training(facts),
        ]
    )


def _made_how(facts: CardFacts) -> str:
    if facts.kind == "linear":
        return "logistic regression over TF-IDF of words and characters, trained with civility"
    return f"fine-tuned from {as_code(facts.base_model)} with civility"


def metadata(name: str, report: Report, base_model: str | None) -> str:
    """Return the YAML of a card; without ``base_model``: a classifier that transformers does not load."""
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
    """Round to six digits, or to four where six would be written as 1e-05, which YAML 1.1 takes for a string."""
    return round(value, 6 if value >= 1e-4 else 4)


def introduction(name: str, report: Report, made_how: str, max_length: int) -> str:
    """Return what the classifier is, and its limits; ``max_length`` 0: nothing is cut."""
    cut = f" Comments are cut after {max_length} tokens." if max_length else ""
    return (
        f"# {as_markdown(name)}\n\n"
        f"A multi-label classifier of comments, {made_how}. Every label "
        f"has a score of its own in [0, 1]: {', '.join(as_code(label) for label in report.labels)}.\n\n"
        "**Known limits.** It has learned what the annotators of its training data marked, with their biases: "
        "words that name groups of people may raise scores without cause, and irony, quotation, new slang and other "
        "languages than those of the training data are weak points. Choose a threshold for each label on your own "
        "data, and keep people in the decision." + cut
    )


def usage(max_length: int, not_in_weights: Sequence[str], *, for_transformers: bool) -> str:
    """Return how to score with the classifier.

    Parameters
    ----------
    max_length : tokens after which comments are truncated
    not_in_weights : labels whose calibration transformers does not apply
    for_transformers : whether transformers loads the classifier too
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
        'classifier.score(["have a nice day"])   # (1, L), one score a label\n'
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
    "This card has the names of the training files and the whole recipe, with the paths in it. `civility.json` has "
    "digests of the comments that epoch, calibration and thresholds were chosen on: whoever has these very comments "
    "can tell that they were used."
)
_REVEALS = {
    "linear": (
        "**`linear.json` has words and character sequences of the training comments in clear text**, with the weight "
        "of each and the number of comments that it occurs in: the most frequent ones (`linear.max_features`), which "
        "for few comments is every word of every comment, names and addresses too. Do not give the folder to anyone "
        "who may not see such words."
    ),
    "encoder": (
        "The vocabulary is that of the pretrained model and holds no word of the training comments. The weights were "
        "fitted to these comments: by scoring a comment, others may be able to guess whether it was among them."
    ),
    "ensemble": (
        "Each member reveals what it does alone; **a linear member (`linear.json`) has words of its training comments "
        "in clear text**. `ensemble.json` has the names of the members and, if they are linked, their paths; averaged "
        "by ranks, also logits of the comments that it was chosen on, without their texts."
    ),
}


def reveals(kind: str) -> str:
    """Return what a classifier folder says of the comments it was made from: what to know before it is given away."""
    return f"## What this folder reveals\n\n{_REVEALS[kind]}\n\n{_PUBLIC}"


def results(report: Report, comments: str, thresholds: str) -> str:
    """Return the numbers; ``comments`` says which they are on, ``thresholds`` which they are at."""
    parts = [
        "## Results",
        f"On the {report.data.num_comments:,} {comments}. {optimism(report)}",
        as_markdown(too_few(report)),
        f"**{as_markdown(told)}**" if (told := not_chosen(report.not_chosen_from_data)) else "",
        table(report),
        f"In brackets: 95 % intervals; precision, recall and F1 are at the thresholds {thresholds}. "
        "`civility.json` has those in use now.",
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
    # A fence longer than any in the recipe, whose names of files are the user's.
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
