"""The model card of an ensemble or a soup: like that of a run, with its members."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from civility.documents.report import Report
from civility.metrics.small_samples import FEWEST
from civility.plain_text import as_code, as_markdown, with_article
from civility.render.markdown.model_card import introduction, metadata, results, reveals, usage
from civility.render.sentences.report_sentences import shown

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
        f"| {as_code(member)} | {weight:.4g} | {shown(score)} |"
        for member, weight, score in zip(makeup.members, makeup.weights, makeup.scores, strict=True)
    )
    return (
        f"## Members\n\n{_method(makeup)} Chosen on {as_code(makeup.digest)}.\n\n"
        f"| member | weight | macro ROC AUC |\n|---|---:|---:|\n{rows}\n"
        f"| **{makeup.kind}** | | {shown(makeup.score)} |\n"
    )
