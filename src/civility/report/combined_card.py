"""The model card of classifiers that were combined: as that of a run, with what they were made of."""

from dataclasses import dataclass

from civility.report.card import introduction, metadata, results, usage
from civility.report.document import Report
from civility.report.markdown import code, plain
from civility.report.words import shown


@dataclass(frozen=True)
class CombinedFacts:
    """What the card tells.

    Parameters
    ----------
    name : of the combination
    kind : ensemble or soup
    how : in a sentence
    members : (M,) as they were named
    weights : (M,) shares; 0 of one that was left out
    scores : (M,) macro ROC AUC of each
    score : macro ROC AUC of the whole
    max_length : tokens, 0 where nothing is cut
    base_model : what all were fine-tuned from, where transformers loads it too; else None
    warnings : what has to be known before it is used, a sentence each
    digest : of the comments that it was chosen on
    """

    name: str
    kind: str
    how: str
    members: tuple[str, ...]
    weights: tuple[float, ...]
    scores: tuple[float, ...]
    score: float
    max_length: int
    base_model: str | None
    warnings: tuple[str, ...]
    digest: str


def combined_card(facts: CombinedFacts, report: Report) -> str:
    """Return the card: YAML metadata with ``model-index``, then what a user has to know."""
    article = "an" if facts.kind[:1] in "aeiou" else "a"
    made = f"{article} {facts.kind} of {len(facts.members)} classifiers, made with civility"
    parts = [
        metadata(facts.name, report, facts.base_model),
        introduction(facts.name, report, made, facts.max_length),
        *(f"**{plain(warning)}**" for warning in facts.warnings),
        usage(report, facts.max_length, for_transformers=facts.base_model is not None),
        results(report, "comments that it was chosen on", "with which it was made"),
        _made_of(facts),
    ]
    return "\n\n".join(parts)


def _made_of(facts: CombinedFacts) -> str:
    rows = "\n".join(
        f"| {code(member)} | {weight:.4g} | {shown(score)} |"
        for member, weight, score in zip(facts.members, facts.weights, facts.scores, strict=True)
    )
    return (
        f"## Made of\n\n{plain(facts.how)} Chosen on {code(facts.digest)}.\n\n"
        f"| member | weight | macro ROC AUC |\n|---|---:|---:|\n{rows}\n| **{facts.kind}** | | {shown(facts.score)} |\n"
    )
