"""The model card of classifiers that were combined: as that of a run, with what they were made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from civility.documents.report import Report
from civility.plain_text import as_code, as_markdown
from civility.render.markdown.model_card import introduction, metadata, results, reveals, usage
from civility.render.sentences.report_sentences import shown


@dataclass(frozen=True)
class Makeup:
    """What classifiers were combined into, and how.

    Parameters
    ----------
    kind : ensemble or soup
    how : in a sentence
    members : (M,) as they were named
    weights : (M,) shares; 0 of one that was left out
    scores : (M,) macro ROC AUC of each on the comments that all was chosen on
    score : of the whole
    digest : of these comments
    base_model : what all were fine-tuned from, where transformers loads the whole too; else None
    """

    kind: str
    how: str
    members: tuple[str, ...]
    weights: tuple[float, ...]
    scores: tuple[float, ...]
    score: float
    digest: str
    base_model: str | None = None

    @property
    def best(self) -> int:
        """Place of the best member."""
        return max(range(len(self.members)), key=lambda place: self.scores[place])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person has to know before using it: that its best member alone is better."""
        if not self.score < self.scores[self.best]:
            return ()
        return (
            f"the {self.kind} is worse than its best member: macro ROC AUC {self.score:.4f}, and "
            f"{self.members[self.best]} alone {self.scores[self.best]:.4f}: use that one",
        )


def combined_card(
    name: str, makeup: Makeup, max_length: int, report: Report, not_in_weights: Sequence[str] = ()
) -> str:
    """Return the card: YAML metadata with ``model-index``, then what a user has to know.

    Parameters
    ----------
    name : of the combination
    makeup : what it is made of
    max_length : tokens, 0 where nothing is cut
    report : of the comments that it was chosen on
    not_in_weights : labels whose calibration transformers does not apply
    """
    article = "an" if makeup.kind[:1] in "aeiou" else "a"
    made = f"{article} {makeup.kind} of {len(makeup.members)} classifiers, made with civility"
    parts = [
        metadata(name, report, makeup.base_model),
        introduction(name, report, made, max_length),
        *(f"**{as_markdown(warning)}**" for warning in makeup.warnings),
        usage(max_length, not_in_weights, for_transformers=makeup.base_model is not None),
        results(report, "comments that it was chosen on", "with which it was made"),
        reveals("ensemble" if makeup.kind == "ensemble" else "encoder"),
        _made_of(makeup),
    ]
    return "\n\n".join(parts)


def _made_of(makeup: Makeup) -> str:
    rows = "\n".join(
        f"| {as_code(member)} | {weight:.4g} | {shown(score)} |"
        for member, weight, score in zip(makeup.members, makeup.weights, makeup.scores, strict=True)
    )
    return (
        f"## Made of\n\n{as_markdown(makeup.how)} Chosen on {as_code(makeup.digest)}.\n\n"
        f"| member | weight | macro ROC AUC |\n|---|---:|---:|\n{rows}\n"
        f"| **{makeup.kind}** | | {shown(makeup.score)} |\n"
    )
