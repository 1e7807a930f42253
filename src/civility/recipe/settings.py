"""The settings of a recipe by section: type, default, unit, range and help of each, defined here and nowhere else.

The defaults are the baseline recipe. ``civility recipes NAME`` and docs/reference/settings.md are generated from this
module. Checks of several settings together are in `civility.training`.
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
    """Return a TOML list, or a string with commas from the command line, as a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, list) else value


def _share_or_own(value: float) -> float:
    if value != -1 and not 0 <= value < 1:
        raise PydanticCustomError("share_or_own", "Input should be a share from 0 to below 1, or -1")
    return value


def _parsed(parse: Callable[[str], str]) -> AfterValidator:
    """Return a validator of a text; a ValueError of the parser is what it expects."""

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
"""NUL, and the surrogates that stand for bytes of a file name that are not UTF-8."""
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
LINEAR_MODEL = "tf-idf"
"""The name of the linear model: logistic regression over TF-IDF."""


@dataclass(frozen=True)
class Unit:
    """The unit of a setting, for help and reference."""

    name: str


@dataclass(frozen=True)
class ValueRange:
    """The values of a setting in words, if its type and bounds do not give them."""

    text: str


Held = Annotated[Annotated[float, Field(gt=0, lt=1)] | Names, ValueRange("above 0, below 1; or file names")]
"""The validation comments: a share of the others, or files."""
Dropout = Annotated[float, Field(ge=-1, lt=1), AfterValidator(_share_or_own), ValueRange("0 to below 1, or -1")]
"""A share, or -1 for the value of the model."""
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


class SettingsSection(BaseModel):
    """A section of a recipe: frozen, without unknown settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse text that TOML or a path cannot hold, before a run writes its recipe."""
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, str) and _NO_TEXT.search(one):
                remedy = " (rename the file)" if info.field_name in _FILES else ""
                raise PydanticCustomError(
                    "not_text", "Input should be UTF-8 text without NUL{remedy}", {"remedy": remedy}
                )
        return value


def setting(default: Any, description: str, **bounds: Any) -> Any:
    """Return the field of a setting; the default is the baseline's, and bounds are those of pydantic's ``Field``."""
    return Field(default=default, description=description, **bounds)


_MODEL, _REVISION = "microsoft/mdeberta-v3-base", "a0484667b22365f84929a935b5e50a51f71f159d"


class DataSettings(SettingsSection):
    """Which comments to train and validate on, and how to read them."""

    files: Names = setting(
        (), "Training files: paths, globs, or built-in names such as civility:starter/train. --data sets it."
    )
    validation: Held = setting(0.1, "Share of the comments held out for validation, or the validation files.")
    labels: Names = setting(
        ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"),
        "Labels, in the order of the model's outputs. Empty: every label of the recognised dialect.",
    )
    text_column: str = setting(
        "", "Column of the comments. Empty: recognised by name (comment_text, text, comment, ...)."
    )
    id_column: str = setting("", "Column of the ids. Empty: recognised by name (id, comment_id, ...).")
    label_list_column: str = setting("", "Column that lists the labels of each comment. Empty: one column per label.")
    label_separator: str = setting(",", "Separator between labels in label_list_column.", min_length=1)
    none_word: str = setting(
        "none", "Word in label_list_column that means no label applies, as [] does. An empty cell means unknown."
    )
    multi_hot_labels: Names = setting(
        (),
        "Labels of the numbers, in order, if label_list_column holds lists such as [1, 0]. Empty: such lists are "
        "an error.",
    )
    format: Format = setting("auto", "File format. auto: by suffix and content.")
    separator: Separator = setting("", "Separator between the cells of a row, such as ; or tab. Empty: recognised.")
    encoding: Encoding = setting(
        "", "Encoding of the files, such as cp1252. Empty: UTF-8, or UTF-16 and UTF-32 if recognised."
    )
    max_cell_bytes: Bytes = setting(
        MAX_CELL_BYTES,
        "Largest line, cell or JSON object that is read. A larger one is an error.",
        ge=FEWEST_CELL_BYTES,
        le=MOST_CELL_BYTES,
    )
    groups: Names = setting(
        (), "Columns of the identity groups that comments mention. The report measures bias by them."
    )
    max_length: Tokens = setting(
        256, "Longest comment in training, special tokens included. Longer ones are truncated.", ge=8, le=8192
    )

    split_seed: int = setting(
        -1,
        "Seed of the split. -1: same as seed. Set it to give runs of different seeds the same split, as --seeds does.",
        ge=-1,
        lt=2**32,
    )
    folds: int = setting(0, "Cross-validation folds. 0: none. --folds trains one run per fold.", ge=0, le=100)
    fold: int = setting(1, "Fold to validate on if folds is set. data.validation is then ignored.", ge=1, le=100)
    pseudo_labels: Names = setting((), "Files of comments with scores as soft targets. They are used in training only.")
    augmentation: Names = setting(
        (), "Perturbations, such as typos or leetspeak, whose changed copies of comments are added to training."
    )
    augmentation_share: float = setting(0.5, "Share of the training comments that get a changed copy.", ge=1e-6, le=1)

    @property
    def columns(self) -> Columns:
        """The columns to read, for `civility.data.reading`."""
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

    name: str = setting(
        _MODEL,
        "Hub name, folder, all-MiniLM-L6-v2 (the packaged starter model) or tf-idf (the linear model).",
        min_length=1,
    )
    revision: str = setting(_REVISION, "Commit of a hub model. Empty: the latest.")

    @model_validator(mode="before")
    @classmethod
    def _no_revision_of_another_model(cls, values: object) -> object:
        """Drop the default revision, which belongs to the default model, if another model is named."""
        if isinstance(values, dict) and values.get("name", _MODEL) != _MODEL:
            return {"revision": "", **values}
        return values


class TrainingSettings(SettingsSection):
    """How the model is fine-tuned."""

    epochs: Epochs = setting(
        6,
        "Planned passes over the training comments. The schedule ends with the last. Early stopping may end the "
        "run sooner.",
        ge=1,
        le=10_000,
    )
    batch_size: Comments = setting(16, "Size of a micro-batch, per process.", ge=1, le=100_000)
    gradient_accumulation: int = setting(1, "Micro-batches per optimizer step.", ge=1, le=100_000)
    fit: bool = setting(
        False, "Choose batch_size and gradient_accumulation to fit into memory, keeping their product. --fit sets it."
    )
    learning_rate: float = setting(2e-5, "Peak learning rate, reached at the end of the warm-up.", ge=1e-12, lt=1)
    optimizer: Literal["adamw", "adafactor", "muon", "schedule_free"] = setting(
        "adamw",
        "Optimizer. muon: Muon for the matrices of the layers, AdamW for the rest. schedule_free: AdamW with "
        'averaged weights; requires schedule = "constant".',
    )
    weight_decay: float = setting(0.01, "Weight decay per step, multiplied by the learning rate.", ge=0, lt=1)
    weight_decay_on: Literal["all", "matrices"] = setting(
        "all", "Parameters with weight decay. matrices: all except biases and norms."
    )
    adam_beta1: float = setting(0.9, "Decay per step of AdamW's running mean of gradients.", ge=0, lt=1)
    adam_beta2: float = setting(0.999, "Decay per step of AdamW's running mean of squared gradients.", ge=0, lt=1)
    adam_epsilon: float = setting(1e-8, "Added to the root of AdamW's mean of squared gradients.", ge=1e-16, lt=1)
    schedule: Literal["linear", "cosine", "constant", "polynomial", "one_cycle"] = setting(
        "linear", "Course of the learning rate after the warm-up."
    )
    warmup_fraction: float = setting(0.1, "Warm-up, as a share of all optimizer steps.", ge=0, lt=1)
    warmup_steps: Steps = setting(0, "Warm-up, in optimizer steps. 0: use warmup_fraction.", ge=0, le=10**9)
    max_gradient_norm: float = setting(
        1.0,
        "Largest global L2 norm of the gradient. Larger gradients are scaled down. 1e9: no clipping.",
        ge=1e-6,
        le=1e9,
    )
    loss: Literal["weighted_bce", "pos_weight_bce", "bce", "focal", "asymmetric"] = setting(
        "weighted_bce",
        "Loss. weighted_bce: labels weighted by their rarity. pos_weight_bce: positives weighted against negatives "
        "within each label. bce: no weights.",
    )
    weight_power: float = setting(
        1.0, "Exponent of the loss weights. 1: inverse frequency, 0.5: its square root, 0: no weights.", ge=0, le=2
    )
    sampling: Literal["shuffle", "class_aware"] = setting(
        "shuffle", "How training comments are drawn. class_aware: those with rare labels more often."
    )
    sampling_power: float = setting(
        0.5, "Strength of class_aware sampling. 0: none, 1: as if all labels were equally frequent.", ge=0, le=1
    )
    metric: Literal["macro_roc_auc", "macro_average_precision", "loss"] = setting(
        "macro_roc_auc", "Validation metric that selects the best epoch."
    )
    patience: Epochs = setting(2, "Epochs without improvement before the run stops early.", ge=1, le=10_000)
    min_gain: float = setting(0.0, "Smallest improvement of the metric that counts. Smaller ones add up.", ge=0, le=10)
    precision: Literal["auto", "bf16", "fp16", "tf32", "fp32"] = setting(
        "auto",
        "Number format of the computation. auto: bf16 if the hardware supports it, else fp16 on a GPU, else fp32. "
        "tf32: fp32 with TF32 multiplication, on NVIDIA GPUs only.",
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = setting("auto", "Where to train. auto: the best device available.")
    threads: int = setting(0, "CPU threads per process. 0: chosen from the cores that are free.", ge=0, le=1024)
    group_by_length: bool = setting(True, "Group comments of similar length into a step, to reduce padding.")
    vocabulary_in_use: bool = setting(
        True, "Train only the token embeddings that the comments use. The others decay as they would anyway."
    )
    attention: Literal["auto", "eager", "packed"] = setting(
        "auto",
        "Implementation of attention. eager: that of transformers. packed: without padding. auto: the fastest that "
        "agrees with eager.",
    )
    gradient_checkpointing: bool = setting(
        False, "Recompute layers in the backward pass: about a third slower, far less memory."
    )
    freeze_embeddings: bool = setting(False, "Do not train the embeddings.")
    freeze_layers: Layers = setting(
        0, "Lowest layers that are not trained, and the embeddings with them.", ge=0, le=1000
    )
    log_every: Steps = setting(10, "Interval between two lines of metrics.jsonl.", ge=1, le=10**9)
    checkpoint_minutes: Minutes = setting(
        5.0, "Interval between checkpoints within an epoch, by time. 0: none.", ge=0, le=100_000
    )
    checkpoint_steps: Steps = setting(
        0, "Interval between checkpoints within an epoch, by optimizer steps. 0: none.", ge=0, le=10**9
    )
    deterministic: bool = setting(
        False,
        "Bit-identical results on the same GPU, after a resume too, from slower kernels. Results on a CPU are "
        "always bit-identical.",
    )


class LossSettings(SettingsSection):
    """Details of training.loss."""

    class_weights: Literal["inverse_frequency", "effective_number"] = setting(
        "inverse_frequency",
        "Basis of the loss weights, to which training.weight_power is applied. effective_number: of the positives "
        "of a label.",
    )
    effective_beta: float = setting(0.9999, "Beta of the effective number of positives.", ge=0, lt=1)
    weigh_labels: bool = setting(False, "Weight labels in the focal and asymmetric losses as weighted_bce does.")
    label_smoothing: float = setting(0.0, "Share by which each target moves towards 0.5, in training only.", ge=0, lt=1)
    focal_gamma: float = setting(
        2.0, "Focusing exponent of the focal loss. Higher: elements that are already right count less.", ge=0, le=10
    )
    focal_alpha: float = setting(
        0.25, "Weight of positives in the focal loss. Negatives have 1 - alpha. -1: no weights.", ge=-1, le=1
    )
    asymmetric_gamma_positive: float = setting(
        0.0, "Focusing exponent of positives in the asymmetric loss.", ge=0, le=10
    )
    asymmetric_gamma_negative: float = setting(
        4.0, "Focusing exponent of negatives in the asymmetric loss.", ge=0, le=10
    )
    asymmetric_margin: float = setting(
        0.05, "Probability below which negatives do not count in the asymmetric loss.", ge=0, lt=1
    )


class OptimizerSettings(SettingsSection):
    """Details of training.optimizer. The betas of AdamW are in [training]."""

    muon_momentum: float = setting(0.95, "Nesterov momentum of Muon.", ge=0, lt=1)
    muon_iterations: int = setting(5, "Newton-Schulz iterations that orthogonalise a step of Muon.", ge=1, le=20)
    adafactor_beta2_decay: float = setting(
        -0.8, "Exponent of the step number in the decay of Adafactor's squared gradients.", ge=-1, lt=0
    )
    adafactor_clip: float = setting(1.0, "Largest root mean square of an Adafactor update.", ge=1, le=1e6)


class ScheduleSettings(SettingsSection):
    """Details of training.schedule."""

    power: float = setting(2.0, "Exponent of the polynomial schedule.", ge=0.01, le=10)
    final_share: float = setting(
        0.0, "Learning rate at the last step, as a share of the peak: cosine, polynomial, one_cycle.", ge=0, le=1
    )
    start_share: float = setting(
        0.04, "Learning rate at the first step, as a share of the peak: one_cycle.", ge=0, le=1
    )


class RegularizationSettings(SettingsSection):
    """Methods against overfitting."""

    dropout: Dropout = setting(-1.0, "Dropout of hidden states. -1: the model's own.")
    attention_dropout: Dropout = setting(-1.0, "Dropout of attention probabilities. -1: the model's own.")
    head_dropout: Dropout = setting(-1.0, "Dropout before the head. -1: the model's own.")
    layer_decay: float = setting(
        1.0, "Learning rate of a layer, as a share of that of the layer above it.", ge=1e-3, le=1
    )
    unfreeze_fraction: float = setting(
        0.0,
        "Share of all steps over which layers are unfrozen, from the top down. 0: all train from the start.",
        ge=0,
        le=1,
    )
    r_drop: float = setting(
        0.0, "Weight of R-Drop, the divergence of two passes with different dropout. 0: one pass.", ge=0, le=1000
    )
    average: Literal["none", "ema", "swa"] = setting(
        "none",
        "Average of the weights over steps, which is validated and kept. ema: exponential. swa: all steps count "
        "equally.",
    )
    ema_decay: float = setting(0.999, "Decay per step of the exponential average.", ge=0, lt=1)
    swa_start: float = setting(0.75, "Share of all steps before swa begins.", ge=0, lt=1)
    adversarial: Literal["none", "fgm"] = setting(
        "none", "Second pass with perturbed weights, which increase the loss. fgm: token embeddings."
    )
    adversarial_size: float = setting(0.1, "L2 norm of the perturbation.", ge=1e-6, le=100)
    adversarial_start: float = setting(0.0, "Share of all steps before adversarial training begins.", ge=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _drop_removed(cls, values: object) -> object:
        """Drop removed settings that are off, since the recipe of an older version names them all."""
        if not isinstance(values, dict):
            return values
        kept = dict(values)
        for name, (off, _) in REMOVED.items():
            key = name.removeprefix("regularization.")
            if not isinstance(kept.get(key), bool) and kept.get(key) == off:
                del kept[key]
        return kept


class LinearSettings(SettingsSection):
    """The linear model over TF-IDF. No effect unless model.name is tf-idf."""

    word_ngrams: int = setting(2, "Longest n-grams of words. All lengths from 1 up are used.", ge=1, le=5)
    character_ngrams: int = setting(
        5, "Longest n-grams of characters within a word. All lengths from 2 up are used.", ge=2, le=8
    )
    max_features: int = setting(
        50_000, "Most frequent n-grams that are kept, of each of the two kinds.", ge=1, le=10_000_000
    )
    c: float = setting(1.0, "Inverse strength of the L2 penalty.", ge=1e-6, le=1e6)


class EvaluationSettings(SettingsSection):
    """How comments are scored and thresholds chosen at the end of a run."""

    tokens_per_batch: Tokens = setting(8192, "Size of a scoring batch, padding included.", ge=8, le=10_000_000)
    max_length: Tokens = setting(
        0, "Longest comment in scoring, by the saved classifier too. 0: same as data.max_length.", ge=0, le=8192
    )
    calibration: Literal["auto", "isotonic", "none"] = setting(
        "auto",
        "How scores become probabilities. auto: for each label the simplest of none, temperature and Platt that "
        "does as well as any on held-out comments, folded into the weights. isotonic: none or a monotone table, "
        "which transformers ignores. none: scores as the model gives them.",
    )
    texts_in_report: bool = setting(
        True, "Show the worst errors in the report with their texts. false: with their ids."
    )
    policy: str = setting(
        "default: f1",
        "Goal of each label's threshold, by label and default: f1, precision>=0.8, recall>=0.9, fpr<=1%, "
        "flagged<=20 per 1000 or bands(precision>=0.95, review<=20 per 1000).",
        min_length=1,
    )
