"""Report: every number of an evaluation, as the JSON document has it. The truth that all pages are drawn from.

Knows no arithmetic and no files: `evaluation.label_measures` fills it, `evaluation.report_files` writes it.

Schema 2 had no `not_measurable` and no `macro_measurable`, schema 3 no `not_chosen_from_data`: they are read without.
"""

import json
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from civility.documents.document import Number, Part
from civility.errors import UserError
from civility.plain_text import escaped
from civility.storage.parsing import parse_json

SCHEMA = 4


Optimistic = Literal["epoch", "calibration", "thresholds"]
"""What may have been chosen on the very comments of a report."""


class Estimate(Part):
    """A number with its 95 % interval; None where undefined, or where no interval can be given."""

    value: Number
    low: Number = None
    high: Number = None


class DataFacts(Part):
    """The comments that were scored."""

    files: tuple[str, ...]
    digest: str
    num_comments: int


class ClassifierFacts(Part):
    """What scored them; ``max_length`` in tokens, 0 where no comment is cut."""

    name: str
    max_length: int


class Resampling(Part):
    """How the bootstrap intervals were made.

    Strata are by the rarest positive label of each comment; their sizes vary as in sampling, and none is ever empty.
    """

    num_resamples: int
    seed: int
    level: float = 0.95


class Curve(Part):
    """Counts of one label at thresholds, rising: comments with ``score >= threshold`` are flagged.

    At most 254 thresholds, the one in use among them, the first flags every comment and the last none or the fewest.
    """

    thresholds: tuple[float, ...]
    true_positives: tuple[int, ...]
    false_positives: tuple[int, ...]


class Histogram(Part):
    """Comments by score: equal bins from 0 to 1, those of positive and of negative target apart."""

    positive: tuple[int, ...]
    negative: tuple[int, ...]


class ReliabilityBin(Part):
    """Comments with a score in [low, high): their mean score, and the share of them that is positive."""

    low: float
    high: float
    num_comments: int
    mean_score: float
    share_positive: Estimate


class ScoreQuality(Part):
    """Whether scores mean what they say: lower is better for all three."""

    calibration_error: Number
    brier: Number
    log_loss: Number
    bins: tuple[ReliabilityBin, ...]


class CalibrationReport(Part):
    """One label's scores before calibration and after it.

    ``cross_fitted``: the calibration was fitted on these very comments, and "after" is of calibrations fitted on the
    other folds.
    """

    method: str
    cross_fitted: bool
    before: ScoreQuality
    after: ScoreQuality


class Verdict(Part):
    """Whether a label can be used: a word, and the reason in a sentence."""

    word: Literal["good", "review", "weak", "unsure", "undefined"]
    why: str


class LabelReport(Part):
    """What one label's scores and decisions are worth. Counts are of comments whose target is known."""

    num_positive: int
    num_negative: int
    num_unknown: int
    roc_auc: Estimate
    average_precision: Estimate
    recall_at_fpr: dict[str, Estimate]
    threshold: float
    review_threshold: Number = None
    policy: str = ""
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    precision: Estimate
    recall: Estimate
    f1: Estimate
    false_positive_rate: Estimate
    flagged_per_1000: Estimate
    review_per_1000: Number = None
    calibration: CalibrationReport | None
    verdict: Verdict
    curve: Curve
    histogram: Histogram


class AnyLabel(Part):
    """Any label at all: the highest score ranks, and a comment is flagged if one of its labels is."""

    num_positive: int
    num_negative: int
    num_unknown: int
    roc_auc: Estimate
    average_precision: Estimate
    recall_at_fpr: dict[str, Estimate]
    precision: Estimate
    recall: Estimate
    f1: Estimate
    false_positive_rate: Estimate
    flagged_per_1000: Estimate


class Macro(Part):
    """The mean over the labels where a number is defined."""

    roc_auc: Estimate
    average_precision: Estimate
    recall_at_fpr: dict[str, Estimate]
    precision: Estimate
    recall: Estimate
    f1: Estimate


class CoOccurrence(Part):
    """(L, L) numbers of comments that have two labels at once; the diagonal counts each label."""

    targets: tuple[tuple[int, ...], ...]
    decisions: tuple[tuple[int, ...], ...]


class Explorer(Part):
    """What the threshold explorer needs to count comments that any label flags.

    Parameters
    ----------
    buckets : base64 of uint8 (L, N): how many thresholds of the label's curve the score reaches
    any_target : base64 of uint8 (N): whether a label is positive: 0, 1, or 2 for unknown
    """

    buckets: str
    any_target: str


class EpochLine(Part):
    """One epoch of training, judged on the validation comments."""

    epoch: int
    step: int
    training_loss: Number
    validation_loss: Number
    macro_roc_auc: Number
    roc_auc: dict[str, Number]


class TrainingCurves(Part):
    """How the classifier was trained: the loss of logged steps (thinned), and the epochs."""

    steps: tuple[int, ...]
    losses: tuple[Number, ...]
    learning_rates: tuple[Number, ...]
    epochs: tuple[EpochLine, ...]
    best_epoch: int


class GroupBias(Part):
    """One group: comments that mention it, against the background, which does not."""

    num_positive: int
    num_negative: int
    subgroup_auc: Estimate
    bpsn_auc: Estimate
    bnsp_auc: Estimate
    false_positive_rate: Estimate
    false_negative_rate: Estimate
    false_positive_gap: Estimate
    false_negative_gap: Estimate
    note: str = ""


class BiasReport(Part):
    """Who is harmed by errors (Borkan et al., 2019): one label's scores in groups and in the background."""

    source: str
    label: str
    overall_auc: Estimate
    final: Estimate
    subgroup_auc: Number
    bpsn_auc: Number
    bnsp_auc: Number
    power: float
    groups: dict[str, GroupBias]


class Example(Part):
    """A comment for a person to read, cut to a few hundred characters."""

    id: str
    text: str
    score: float
    target: Number = None
    times: int = 1
    likely_label_error: bool = False


class FunctionResult(Part):
    """One function of a behaviour suite: its cases that came out as expected, and some that did not."""

    function: str
    expected: Literal["flag", "allow"]
    num_cases: int
    num_right: int
    share_right: Estimate
    wrong: tuple[Example, ...] = ()


class SuiteReport(Part):
    """A behaviour suite, function by function; ``num_left_out`` cases ask for a label that the classifier lacks."""

    source: str
    num_cases: int
    num_left_out: int
    share_right: Estimate
    functions: tuple[FunctionResult, ...]
    groups: dict[str, Estimate] = {}


class PerturbedLabel(Part):
    """One label's numbers on texts as they are and on texts perturbed."""

    recall_before: Number
    recall_after: Number
    roc_auc_before: Number
    roc_auc_after: Number


class Perturbed(Part):
    """A perturbation at one strength; the change of recall at the threshold with its interval (paired bootstrap)."""

    name: str
    what: str
    strength: float
    share_changed: float
    macro_recall_change: Estimate
    labels: dict[str, PerturbedLabel]


class Invariance(Part):
    """A change that must not matter: how far a score of a changed text moved, and how many decisions with it."""

    name: str
    share_changed: float = 1.0
    largest_difference: float
    share_of_decisions_changed: float


class RobustnessReport(Part):
    """How easily the classifier is fooled, on a sample of the comments."""

    num_comments: int
    seed: int
    perturbations: tuple[Perturbed, ...]
    invariances: tuple[Invariance, ...]


class SliceLabel(Part):
    """One label in one slice."""

    num_positive: int
    num_negative: int
    roc_auc: Number
    precision: Estimate
    recall: Estimate


class Slice(Part):
    """Some of the comments; ``note`` says where they are too few to tell."""

    name: str
    num_comments: int
    labels: dict[str, SliceLabel]
    note: str = ""


class LabelErrorsShown(Part):
    """The worst errors of one label: negatives that scored highest, positives that scored lowest."""

    false_positives: tuple[Example, ...]
    false_negatives: tuple[Example, ...]


class Report(Part):
    """Every number of an evaluation.

    ``optimistic`` names what was chosen on these very comments.
    ``not_measurable`` names the labels that have too few positive or negative comments for the macro averages to be
    judged; ``macro_measurable`` is the mean over the other labels, without a value where there is none.
    ``not_chosen_from_data`` names the labels whose thresholds are not of the policy, for want of comments to choose by.
    ``undefined`` has a reason by the path of each number that is None for want of data, as ``labels.threat.roc_auc``.
    """

    schema_number: Literal[2, 3, 4] = Field(default=4, alias="schema")
    name: str
    data: DataFacts
    classifier: ClassifierFacts
    resampling: Resampling
    optimistic: tuple[Optimistic, ...] = ()
    notes: tuple[str, ...] = ()
    verdict: Verdict
    labels: dict[str, LabelReport]
    macro: Macro
    not_measurable: tuple[str, ...] = ()
    macro_measurable: Macro | None = None
    not_chosen_from_data: tuple[str, ...] = ()
    any_label: AnyLabel
    co_occurrence: CoOccurrence
    explorer: Explorer | None = None
    training: TrainingCurves | None = None
    bias: BiasReport | None = None
    templates: dict[str, BiasReport] = {}
    suites: dict[str, SuiteReport] = {}
    robustness: RobustnessReport | None = None
    slices: dict[str, tuple[Slice, ...]] = {}
    errors: dict[str, LabelErrorsShown] = {}
    undefined: dict[str, str] = {}

    def _repr_html_(self) -> str:
        """Return the small table that a notebook shows."""
        from civility.render.html.notebook import report_table

        return report_table(self)

    @property
    def measurable(self) -> Macro | None:
        """The mean over the measurable labels, where it is another than ``macro`` and there is one."""
        macro = self.macro_measurable
        return macro if self.not_measurable and macro is not None and macro.roc_auc.value is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Return the document as plain values."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """Return the canonical form: JSON and a final line break. Lone surrogates, as of a file name, become U+FFFD."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        return escaped(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "report") -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        UserError : no report, or one of another schema
        """
        parse_json(text, source, "evaluate again")  # pydantic takes NaN, infinity and numbers of any length
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            if first["loc"] == ("schema",):
                raise UserError(
                    "documents.todo",
                    f"a report of schema {first['input']}",
                    where=source,
                    expected=f"{SCHEMA}",
                    remedy="evaluate again",
                ) from error
            where = ".".join(map(str, first["loc"])) or "the document"
            raise UserError(
                "documents.todo",
                f"no report of civility: {where}: {first['msg']}",
                where=source,
                remedy="evaluate again",
            ) from error
