"""The settings of a recipe by section: type, default, unit, range and help of each, defined here and nowhere else.

The defaults are the baseline recipe. ``civility recipes NAME`` and docs/reference/settings.md are made from this
module. `civility.training` checks which settings go together. Imports nothing heavy.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from civility.data.dialects import Columns
from civility.data.file_format import (
    FEWEST_CELL_BYTES,
    MAX_CELL_BYTES,
    MOST_CELL_BYTES,
    FileFormat,
    Format,
    encoding_of,
    separator_of,
)


def _as_tuple(value: object) -> object:
    """Let a TOML list, or one string with commas as the command line gives it, stand for a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


def _share_or_own(value: float) -> float:
    if value != -1 and not 0 <= value < 1:
        raise PydanticCustomError("share_or_own", "Input should be a share from 0 to below 1, or -1")
    return value


def _parsed(parse: Callable[[str], str]) -> AfterValidator:
    """Return what pydantic calls on a text; a ValueError of the parser says what it expects."""

    def validate(text: str) -> str:
        try:
            return parse(text)
        except ValueError as error:
            raise PydanticCustomError("not_readable", "{reason}", {"reason": str(error)}) from error

    return AfterValidator(validate)


Separator = Annotated[str, _parsed(separator_of)]
Encoding = Annotated[str, _parsed(encoding_of)]
_FILES = ("files", "validation", "pseudo_labels")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
"""NUL, and what stands for bytes of a file name that are not UTF-8."""
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
LINEAR_MODEL = "tf-idf"
"""The name of the model that is no encoder: logistic regression over TF-IDF."""
_MODEL, _REVISION = "microsoft/mdeberta-v3-base", "a0484667b22365f84929a935b5e50a51f71f159d"


@dataclass(frozen=True)
class Unit:
    """What the values of a setting count, for help and reference."""

    name: str


@dataclass(frozen=True)
class ValueRange:
    """The values of a setting in words, where its type and bounds do not give them."""

    text: str


Fraction = Annotated[float, Field(gt=0, lt=1)]
Held = Annotated[Fraction | Names, ValueRange("above 0, below 1; or file names")]
"""Which comments are held out: a share, or files of their own."""
Dropout = Annotated[float, Field(ge=-1, lt=1), AfterValidator(_share_or_own), ValueRange("0 to below 1, or -1")]
"""A share, or -1 for the model's own."""
Bytes = Annotated[int, Unit("bytes")]
Tokens = Annotated[int, Unit("tokens")]
Comments = Annotated[int, Unit("comments")]
Steps = Annotated[int, Unit("optimizer steps")]
Epochs = Annotated[int, Unit("epochs")]
Minutes = Annotated[float, Unit("minutes")]
Layers = Annotated[int, Unit("layers")]


_NO_GAIN = "brought no gain in the project's experiments (docs/explanation/experiments.md)"
REMOVED: dict[str, tuple[int, str]] = {
    "regularization.reinit_layers": (0, f"re-initialising the top layers {_NO_GAIN}"),
    "regularization.multi_sample_dropout": (1, f"several dropout masks before the head {_NO_GAIN}"),
    "regularization.token_dropout": (0, f"masking tokens {_NO_GAIN}"),
}
"""Settings of older versions: the value that switches each off, and why it was removed."""
REMOVED_VALUES = {
    ("regularization.adversarial", "awp"): "no experiment of the project showed a gain from moving weight matrices; "
    "'fgm' moves the token embedding"
}
"""Values that a setting took in older versions, and why each was removed."""


def is_off(key: str, value: object) -> bool:
    """Whether a removed setting, ``section.key``, has the value that switches it off."""
    return key in REMOVED and not isinstance(value, bool) and value == REMOVED[key][0]


class SettingsSection(BaseModel):
    """Frozen, and without settings that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what TOML cannot hold, or no path: it would be found out when the run writes its recipe."""
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, str) and _NO_TEXT.search(one):
                remedy = " (rename the file)" if info.field_name in _FILES else ""
                raise PydanticCustomError(
                    "not_text", "Input should be UTF-8 text without NUL{remedy}", {"remedy": remedy}
                )
        return value


class DataSettings(SettingsSection):
    """Which comments to train and validate on, and how to read them."""

    files: Names = Field(
        default=(),
        description="Training files: paths, globs, or built-in names such as civility:starter/train. --data sets it.",
    )
    validation: Held = Field(
        default=0.1, description="Share of the comments held out for validation, or the validation files."
    )
    labels: Names = Field(
        default=("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"),
        description="Labels, in the order of the model's outputs. Empty: every label of the recognised dialect.",
    )
    text_column: str = Field(
        default="", description="Column of the comments. Empty: recognised by name (comment_text, text, comment, ...)."
    )
    id_column: str = Field(
        default="", description="Column of the ids. Empty: recognised by name (id, comment_id, ...)."
    )
    label_list_column: str = Field(
        default="", description="Column that lists the labels of each comment. Empty: one column per label."
    )
    label_separator: str = Field(
        default=",", min_length=1, description="Separator between labels in label_list_column."
    )
    none_word: str = Field(
        default="none",
        description="Word in label_list_column that means no label applies, as [] does. An empty cell means unknown.",
    )
    multi_hot_labels: Names = Field(
        default=(),
        description=(
            "Labels of the numbers, in order, if label_list_column holds lists such as [1, 0]. Empty: such "
            "lists are an error."
        ),
    )
    format: Format = Field(
        default="auto",
        description="File format. auto: by suffix and content.",
    )
    separator: Separator = Field(
        default="", description="Separator between the cells of a row, such as ; or tab. Empty: recognised."
    )
    encoding: Encoding = Field(
        default="",
        description="Encoding of the files, such as cp1252. Empty: UTF-8, or UTF-16 and UTF-32 if recognised.",
    )
    max_cell_bytes: Bytes = Field(
        default=MAX_CELL_BYTES,
        ge=FEWEST_CELL_BYTES,
        le=MOST_CELL_BYTES,
        description="Largest line, cell or JSON object that is read. A larger one is an error.",
    )
    groups: Names = Field(
        default=(),
        description="Columns of the identity groups that comments mention. The report measures bias by them.",
    )
    max_length: Tokens = Field(
        default=256,
        ge=8,
        le=8192,
        description="Longest comment in training, special tokens included. Longer ones are truncated.",
    )

    split_seed: int = Field(
        default=-1,
        ge=-1,
        lt=2**32,
        description=(
            "Seed of the split. -1: same as seed. Set it to give runs of different seeds the same split, as "
            "--seeds does."
        ),
    )
    folds: int = Field(
        default=0, ge=0, le=100, description="Cross-validation folds. 0: none. --folds trains one run per fold."
    )
    fold: int = Field(
        default=1, ge=1, le=100, description="Fold to validate on if folds is set. data.validation is then ignored."
    )
    pseudo_labels: Names = Field(
        default=(), description="Files of comments with scores as soft targets. They are used in training only."
    )
    augmentation: Names = Field(
        default=(),
        description=(
            "Perturbations, such as typos or leetspeak, whose changed copies of comments are added to training."
        ),
    )
    augmentation_share: float = Field(
        default=0.5, ge=1e-6, le=1, description="Share of the training comments that get a changed copy."
    )

    @property
    def columns(self) -> Columns:
        """The columns to read, as the readers take them."""
        return Columns(
            text=self.text_column,
            id=self.id_column,
            labels=self.labels,
            label_list=self.label_list_column,
            label_separator=self.label_separator,
            none_word=self.none_word,
            multi_hot=self.multi_hot_labels,
            groups=self.groups,
            file=FileFormat(self.format, self.separator, self.encoding, self.max_cell_bytes),
        )


class ModelSettings(SettingsSection):
    """The pretrained model."""

    name: str = Field(
        default=_MODEL,
        min_length=1,
        description="Hub name, folder, all-MiniLM-L6-v2 (the packaged starter model) or tf-idf (the linear model).",
    )
    revision: str = Field(default=_REVISION, description="Commit of a hub model. Empty: the latest.")

    @model_validator(mode="before")
    @classmethod
    def _no_revision_of_another_model(cls, values: object) -> object:
        """Leave out the default revision where another model is named: it is of the default model."""
        if isinstance(values, dict) and values.get("name", _MODEL) != _MODEL:
            return {"revision": "", **values}
        return values


class TrainingSettings(SettingsSection):
    """How the model is fine-tuned."""

    epochs: Epochs = Field(
        default=6,
        ge=1,
        le=10_000,
        description=(
            "Planned passes over the training comments. The schedule ends with the last. Early stopping may "
            "end the run sooner."
        ),
    )
    batch_size: Comments = Field(default=16, ge=1, le=100_000, description="Size of a micro-batch, per process.")
    gradient_accumulation: int = Field(default=1, ge=1, le=100_000, description="Micro-batches per optimizer step.")
    fit: bool = Field(
        default=False,
        description=(
            "Choose batch_size and gradient_accumulation to fit into memory, keeping their product. --fit sets it."
        ),
    )
    learning_rate: float = Field(
        default=2e-5, ge=1e-12, lt=1, description="Peak learning rate, reached at the end of the warm-up."
    )
    optimizer: Literal["adamw", "adafactor", "muon", "schedule_free"] = Field(
        default="adamw",
        description=(
            "Optimizer. muon: Muon for the matrices of the layers, AdamW for the rest. schedule_free: AdamW "
            'with averaged weights; requires schedule = "constant".'
        ),
    )
    weight_decay: float = Field(
        default=0.01, ge=0, lt=1, description="Weight decay per step, multiplied by the learning rate."
    )
    weight_decay_on: Literal["all", "matrices"] = Field(
        default="all", description="Parameters with weight decay. matrices: all except biases and norms."
    )
    adam_beta1: float = Field(
        default=0.9, ge=0, lt=1, description="Decay per step of AdamW's running mean of gradients."
    )
    adam_beta2: float = Field(
        default=0.999, ge=0, lt=1, description="Decay per step of AdamW's running mean of squared gradients."
    )
    adam_epsilon: float = Field(
        default=1e-8, ge=1e-16, lt=1, description="Added to the root of AdamW's mean of squared gradients."
    )
    schedule: Literal["linear", "cosine", "constant", "polynomial", "one_cycle"] = Field(
        default="linear", description="Course of the learning rate after the warm-up."
    )
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1, description="Warm-up, as a share of all optimizer steps.")
    warmup_steps: Steps = Field(
        default=0, ge=0, le=10**9, description="Warm-up, in optimizer steps. 0: use warmup_fraction."
    )
    max_gradient_norm: float = Field(
        default=1.0,
        ge=1e-6,
        le=1e9,
        description="Largest global L2 norm of the gradient. Larger gradients are scaled down. 1e9: no clipping.",
    )
    loss: Literal["weighted_bce", "pos_weight_bce", "bce", "focal", "asymmetric"] = Field(
        default="weighted_bce",
        description=(
            "Loss. weighted_bce: labels weighted by their rarity. pos_weight_bce: positives weighted against "
            "negatives within each label. bce: no weights."
        ),
    )
    weight_power: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="Exponent of the loss weights. 1: inverse frequency, 0.5: its square root, 0: no weights.",
    )
    sampling: Literal["shuffle", "class_aware"] = Field(
        default="shuffle",
        description="How training comments are drawn. class_aware: those with rare labels more often.",
    )
    sampling_power: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Strength of class_aware sampling. 0: none, 1: as if all labels were equally frequent.",
    )
    metric: Literal["macro_roc_auc", "macro_average_precision", "loss"] = Field(
        default="macro_roc_auc", description="Validation metric that selects the best epoch."
    )
    patience: Epochs = Field(
        default=2, ge=1, le=10_000, description="Epochs without improvement before the run stops early."
    )
    min_gain: float = Field(
        default=0.0, ge=0, le=10, description="Smallest improvement of the metric that counts. Smaller ones add up."
    )
    precision: Literal["auto", "bf16", "fp16", "tf32", "fp32"] = Field(
        default="auto",
        description=(
            "Number format of the computation. auto: bf16 if the hardware supports it, else fp16 on a GPU, "
            "else fp32. tf32: fp32 with TF32 multiplication, on NVIDIA GPUs only."
        ),
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        default="auto", description="Where to train. auto: the best device available."
    )
    threads: int = Field(
        default=0, ge=0, le=1024, description="CPU threads per process. 0: chosen from the cores that are free."
    )
    group_by_length: bool = Field(
        default=True, description="Group comments of similar length into a step, to reduce padding."
    )
    vocabulary_in_use: bool = Field(
        default=True,
        description="Train only the token embeddings that the comments use. The others decay as they would anyway.",
    )
    attention: Literal["auto", "eager", "packed"] = Field(
        default="auto",
        description=(
            "Implementation of attention. eager: that of transformers. packed: without padding. auto: the "
            "fastest that agrees with eager."
        ),
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Recompute layers in the backward pass: about a third slower, far less memory."
    )
    freeze_embeddings: bool = Field(default=False, description="Do not train the embeddings.")
    freeze_layers: Layers = Field(
        default=0, ge=0, le=1000, description="Lowest layers that are not trained, and the embeddings with them."
    )
    log_every: Steps = Field(default=10, ge=1, le=10**9, description="Interval between two lines of metrics.jsonl.")
    checkpoint_minutes: Minutes = Field(
        default=5.0, ge=0, le=100_000, description="Interval between checkpoints within an epoch, by time. 0: none."
    )
    checkpoint_steps: Steps = Field(
        default=0,
        ge=0,
        le=10**9,
        description="Interval between checkpoints within an epoch, by optimizer steps. 0: none.",
    )
    deterministic: bool = Field(
        default=False,
        description=(
            "Bit-identical results on the same GPU, after a resume too, from slower kernels. Results on a CPU "
            "are always bit-identical."
        ),
    )


class LossSettings(SettingsSection):
    """Details of training.loss."""

    class_weights: Literal["inverse_frequency", "effective_number"] = Field(
        default="inverse_frequency",
        description=(
            "Basis of the loss weights, to which training.weight_power is applied. effective_number: of the "
            "positives of a label."
        ),
    )
    effective_beta: float = Field(default=0.9999, ge=0, lt=1, description="Beta of the effective number of positives.")
    weigh_labels: bool = Field(
        default=False, description="Weight labels in the focal and asymmetric losses as weighted_bce does."
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share by which each target moves towards 0.5, in training only."
    )
    focal_gamma: float = Field(
        default=2.0,
        ge=0,
        le=10,
        description="Focusing exponent of the focal loss. Higher: elements that are already right count less.",
    )
    focal_alpha: float = Field(
        default=0.25,
        ge=-1,
        le=1,
        description="Weight of positives in the focal loss. Negatives have 1 - alpha. -1: no weights.",
    )
    asymmetric_gamma_positive: float = Field(
        default=0.0, ge=0, le=10, description="Focusing exponent of positives in the asymmetric loss."
    )
    asymmetric_gamma_negative: float = Field(
        default=4.0, ge=0, le=10, description="Focusing exponent of negatives in the asymmetric loss."
    )
    asymmetric_margin: float = Field(
        default=0.05, ge=0, lt=1, description="Probability below which negatives do not count in the asymmetric loss."
    )


class OptimizerSettings(SettingsSection):
    """Details of training.optimizer. The betas of AdamW are in [training]."""

    muon_momentum: float = Field(default=0.95, ge=0, lt=1, description="Nesterov momentum of Muon.")
    muon_iterations: int = Field(
        default=5, ge=1, le=20, description="Newton-Schulz iterations that orthogonalise a step of Muon."
    )
    adafactor_beta2_decay: float = Field(
        default=-0.8,
        ge=-1,
        lt=0,
        description="Exponent of the step number in the decay of Adafactor's squared gradients.",
    )
    adafactor_clip: float = Field(
        default=1.0, ge=1, le=1e6, description="Largest root mean square of an Adafactor update."
    )


class ScheduleSettings(SettingsSection):
    """Details of training.schedule."""

    power: float = Field(default=2.0, ge=0.01, le=10, description="Exponent of the polynomial schedule.")
    final_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Learning rate at the last step, as a share of the peak: cosine, polynomial, one_cycle.",
    )
    start_share: float = Field(
        default=0.04, ge=0, le=1, description="Learning rate at the first step, as a share of the peak: one_cycle."
    )


class RegularizationSettings(SettingsSection):
    """Methods against overfitting."""

    dropout: Dropout = Field(default=-1.0, description="Dropout of hidden states. -1: the model's own.")
    attention_dropout: Dropout = Field(
        default=-1.0, description="Dropout of attention probabilities. -1: the model's own."
    )
    head_dropout: Dropout = Field(default=-1.0, description="Dropout before the head. -1: the model's own.")
    layer_decay: float = Field(
        default=1.0, ge=1e-3, le=1, description="Learning rate of a layer, as a share of that of the layer above it."
    )
    unfreeze_fraction: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "Share of all steps over which layers are unfrozen, from the top down. 0: all train from the start."
        ),
    )
    r_drop: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="Weight of R-Drop, the divergence of two passes with different dropout. 0: one pass.",
    )
    average: Literal["none", "ema", "swa"] = Field(
        default="none",
        description=(
            "Average of the weights over steps, which is validated and kept. ema: exponential. swa: all steps "
            "count equally."
        ),
    )
    ema_decay: float = Field(default=0.999, ge=0, lt=1, description="Decay per step of the exponential average.")
    swa_start: float = Field(default=0.75, ge=0, lt=1, description="Share of all steps before swa begins.")
    adversarial: Literal["none", "fgm"] = Field(
        default="none",
        description="Second pass with perturbed weights, which increase the loss. fgm: token embeddings.",
    )
    adversarial_size: float = Field(
        default=0.1,
        ge=1e-6,
        le=100,
        description="L2 norm of the perturbation.",
    )
    adversarial_start: float = Field(
        default=0.0, ge=0, lt=1, description="Share of all steps before adversarial training begins."
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_removed(cls, values: object) -> object:
        """Leave out removed settings that are off: the recipe of a run by an older version names them all."""
        if not isinstance(values, dict):
            return values
        return {key: value for key, value in values.items() if not is_off(f"regularization.{key}", value)}


class LinearSettings(SettingsSection):
    """The linear model over TF-IDF. No effect unless model.name is tf-idf."""

    word_ngrams: int = Field(
        default=2, ge=1, le=5, description="Longest n-grams of words. All lengths from 1 up are used."
    )
    character_ngrams: int = Field(
        default=5,
        ge=2,
        le=8,
        description="Longest n-grams of characters within a word. All lengths from 2 up are used.",
    )
    max_features: int = Field(
        default=50_000,
        ge=1,
        le=10_000_000,
        description="Most frequent n-grams that are kept, of each of the two kinds.",
    )
    c: float = Field(default=1.0, ge=1e-6, le=1e6, description="Inverse strength of the L2 penalty.")


class EvaluationSettings(SettingsSection):
    """How comments are scored and thresholds chosen at the end of a run."""

    tokens_per_batch: Tokens = Field(
        default=8192, ge=8, le=10_000_000, description="Size of a scoring batch, padding included."
    )
    max_length: Tokens = Field(
        default=0,
        ge=0,
        le=8192,
        description="Longest comment in scoring, by the saved classifier too. 0: same as data.max_length.",
    )
    calibration: Literal["auto", "isotonic", "none"] = Field(
        default="auto",
        description=(
            "How scores become probabilities. auto: for each label the simplest of none, temperature and Platt "
            "that does as well as any on held-out comments, folded into the weights. isotonic: none or a monotone "
            "table, which transformers ignores. none: scores as the model gives them."
        ),
    )
    texts_in_report: bool = Field(
        default=True, description="Show the worst errors in the report with their texts. false: with their ids."
    )
    policy: str = Field(
        default="default: f1",
        min_length=1,
        description=(
            "Goal of each label's threshold, by label and default: f1, precision>=0.8, recall>=0.9, fpr<=1%, "
            "flagged<=20 per 1000 or bands(precision>=0.95, review<=20 per 1000)."
        ),
    )
