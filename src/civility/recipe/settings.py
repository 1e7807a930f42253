"""The settings of a recipe, section by section: names, ranges, meaning. The defaults stand here, once.

Which of them go together is checked where a run is put together. Imports nothing heavy.
"""

import re
from collections.abc import Callable
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

from civility.data.file_format import (
    FEWEST_CELL_BYTES,
    MAX_CELL_BYTES,
    MOST_CELL_BYTES,
    FileFormat,
    Format,
    encoding_of,
    separator_of,
)
from civility.data.readers import Columns


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
Fraction = Annotated[float, Field(gt=0, lt=1)]
Dropout = Annotated[float, Field(ge=-1, lt=1), AfterValidator(_share_or_own)]
"""A share, or -1 for the model's own."""


class Section(BaseModel):
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


class DataSettings(Section):
    """Which comments, and which of their columns."""

    files: Names = Field(default=(), description="training files: paths, globs or built-in names")
    validation: Fraction | Names = Field(
        default=0.1, description="share of the comments kept for validation, or the files that are it"
    )
    labels: Names = Field(
        default=("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"),
        description="the label axis, in order; empty: every label of the recognised dialect",
    )
    text_column: str = Field(default="", description="column of the comments; empty: recognised")
    id_column: str = Field(default="", description="column of the ids; empty: recognised")
    label_list_column: str = Field(
        default="", description="column that holds a list of labels; empty: a column a label"
    )
    label_separator: str = Field(default=",", min_length=1, description="between the labels of such a column")
    none_word: str = Field(
        default="none", description="in such a column: no label applies, like []; an empty cell is unknown"
    )
    multi_hot_labels: Names = Field(
        default=(), description="the labels in the order of lists of numbers in such a column; empty: such are refused"
    )
    format: Format = Field(
        default="auto",
        description="auto, lines, csv, tsv, jsonl, json or parquet; auto: by suffix and content",
    )
    separator: Separator = Field(default="", description="between the cells of a row, or tab; empty: recognised")
    encoding: Encoding = Field(
        default="", description="of the files, as cp1252; empty: UTF-8, or UTF-16 and UTF-32 where recognised"
    )
    max_cell_bytes: int = Field(
        default=MAX_CELL_BYTES,
        ge=FEWEST_CELL_BYTES,
        le=MOST_CELL_BYTES,
        description="most bytes of a line, a cell or a JSON object; a larger one is an error",
    )
    groups: Names = Field(
        default=(), description="columns of identity groups that comments mention, for the report on bias"
    )
    max_length: int = Field(
        default=256, ge=8, le=8192, description="tokens, special ones included; longer texts are cut"
    )

    split_seed: int = Field(
        default=-1, ge=-1, lt=2**32, description="of the split; -1: as seed. Fixed, runs of several seeds share a split"
    )
    folds: int = Field(default=0, ge=0, le=100, description="parts that the comments are cut into; 0: none")
    fold: int = Field(default=1, ge=1, le=100, description="which part is validated on, where there are folds")
    pseudo_labels: Names = Field(
        default=(), description="files of comments with scores as targets: in training only, after the split"
    )
    augmentation: Names = Field(
        default=(), description="perturbations whose changed copies of comments are added to training"
    )
    augmentation_share: float = Field(
        default=0.5, ge=1e-6, le=1, description="of the training comments that get a changed copy"
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


class ModelSettings(Section):
    """Which pretrained encoder."""

    name: str = Field(default=_MODEL, min_length=1, description="hub name, folder, starter model, or tf-idf")
    revision: str = Field(default=_REVISION, description="commit of a hub model; empty: its newest")

    @model_validator(mode="before")
    @classmethod
    def _no_revision_of_another_model(cls, values: object) -> object:
        """Leave out the default revision where another model is named: it is of the default model."""
        if isinstance(values, dict) and values.get("name", _MODEL) != _MODEL:
            return {"revision": "", **values}
        return values


class TrainingSettings(Section):
    """How to fine-tune it."""

    epochs: int = Field(default=6, ge=1, le=10_000, description="passes planned; the schedule ends with the last")
    batch_size: int = Field(default=16, ge=1, le=100_000, description="comments per process and micro-batch")
    gradient_accumulation: int = Field(default=1, ge=1, le=100_000, description="micro-batches per optimiser step")
    fit: bool = Field(default=False, description="choose the two above by the memory there is, keeping their product")
    learning_rate: float = Field(default=2e-5, ge=1e-12, lt=1, description="peak")
    optimizer: Literal["adamw", "adafactor", "muon", "schedule_free"] = Field(
        default="adamw", description="muon: of the layers' matrices, with AdamW for the rest; schedule_free: AdamW"
    )
    weight_decay: float = Field(default=0.01, ge=0, lt=1, description="per step, times the learning rate")
    weight_decay_on: Literal["all", "matrices"] = Field(default="all", description="matrices: not on biases and norms")
    adam_beta1: float = Field(default=0.9, ge=0, lt=1, description="decay of the mean of gradients")
    adam_beta2: float = Field(default=0.999, ge=0, lt=1, description="decay of the mean of their squares")
    adam_epsilon: float = Field(default=1e-8, ge=1e-16, lt=1, description="added to the root of that mean")
    schedule: Literal["linear", "cosine", "constant", "polynomial", "one_cycle"] = Field(
        default="linear", description="of the learning rate after the warm-up"
    )
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1, description="share of all optimiser steps")
    warmup_steps: int = Field(
        default=0, ge=0, le=10**9, description="optimiser steps of warm-up; 0: by warmup_fraction"
    )
    max_gradient_norm: float = Field(
        default=1.0, ge=1e-6, le=1e9, description="global L2 norm; larger gradients are scaled down; 1e9: none is"
    )
    loss: Literal["weighted_bce", "pos_weight_bce", "bce", "focal", "asymmetric"] = Field(
        default="weighted_bce",
        description="weighted_bce weighs labels, pos_weight_bce the positives inside each, bce none",
    )
    weight_power: float = Field(
        default=1.0, ge=0, le=2, description="of the loss weights: 1 inverse frequency, 0.5 its root"
    )
    sampling: Literal["shuffle", "class_aware"] = Field(
        default="shuffle", description="class_aware: comments of rare labels are drawn more often"
    )
    sampling_power: float = Field(default=0.5, ge=0, le=1, description="of that: 0 as they come")
    metric: Literal["macro_roc_auc", "macro_average_precision", "loss"] = Field(
        default="macro_roc_auc", description="of validation, by which the best epoch is chosen"
    )
    patience: int = Field(default=2, ge=1, le=10_000, description="epochs without a better metric before stopping")
    min_gain: float = Field(default=0.0, ge=0, le=10, description="by which the metric must be better to count")
    precision: Literal["auto", "bf16", "fp16", "tf32", "fp32"] = Field(
        default="auto", description="auto: bf16 where the hardware has it, else fp16 on a GPU, else fp32"
    )
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(default="auto", description="auto: the best one there is")
    threads: int = Field(
        default=0, ge=0, le=1024, description="of each process on a processor; 0: chosen by what is free"
    )
    group_by_length: bool = Field(
        default=True, description="comments of a step are about equally long, so padding is small"
    )
    vocabulary_in_use: bool = Field(
        default=True, description="train the token embeddings that the comments use; the others decay alike"
    )
    attention: Literal["auto", "eager", "packed"] = Field(
        default="auto",
        description="auto: the fastest that agrees with eager, transformers' own; packed: without padding",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="compute layers again in the backward pass: a third slower, far less memory"
    )
    freeze_embeddings: bool = Field(default=False, description="leave the embeddings as they are")
    freeze_layers: int = Field(
        default=0, ge=0, le=1000, description="lowest layers, and the embeddings, left as they are"
    )
    log_every: int = Field(default=10, ge=1, le=10**9, description="optimiser steps between two lines of metrics.jsonl")
    checkpoint_minutes: float = Field(
        default=5.0, ge=0, le=100_000, description="between two checkpoints inside an epoch; 0: none by time"
    )
    checkpoint_steps: int = Field(
        default=0,
        ge=0,
        le=10**9,
        description="optimiser steps between two checkpoints inside an epoch; 0: none by steps",
    )
    deterministic: bool = Field(
        default=False,
        description="the same bits every time on the same GPU, from slower kernels; a processor has them anyway",
    )


class LossSettings(Section):
    """What refines ``training.loss``."""

    class_weights: Literal["inverse_frequency", "effective_number"] = Field(
        default="inverse_frequency", description="what the weights are made of, before training.weight_power"
    )
    effective_beta: float = Field(default=0.9999, ge=0, lt=1, description="of the effective number of positives")
    weigh_labels: bool = Field(default=False, description="focal and asymmetric: weigh labels as weighted_bce does")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of each target that moves to one half")
    focal_gamma: float = Field(default=2.0, ge=0, le=10, description="how far easy elements are played down")
    focal_alpha: float = Field(
        default=0.25, ge=-1, le=1, description="weight of positives, 1 - alpha of negatives; -1: none"
    )
    asymmetric_gamma_positive: float = Field(default=0.0, ge=0, le=10, description="focusing of positives")
    asymmetric_gamma_negative: float = Field(default=4.0, ge=0, le=10, description="focusing of negatives")
    asymmetric_margin: float = Field(
        default=0.05, ge=0, lt=1, description="probability below which negatives count nothing"
    )


class OptimizerSettings(Section):
    """What refines ``training.optimizer``; the betas of AdamW are in ``[training]``."""

    muon_momentum: float = Field(default=0.95, ge=0, lt=1, description="of Muon, with Nesterov's look ahead")
    muon_iterations: int = Field(default=5, ge=1, le=20, description="of Newton and Schulz, that orthogonalise a step")
    adafactor_beta2_decay: float = Field(
        default=-0.8, ge=-1, lt=0, description="exponent of the step in the decay of squared gradients"
    )
    adafactor_clip: float = Field(default=1.0, ge=1, le=1e6, description="root mean square of an update at most")


class ScheduleSettings(Section):
    """What refines ``training.schedule``."""

    power: float = Field(default=2.0, ge=0.01, le=10, description="of the polynomial decay")
    final_share: float = Field(
        default=0.0, ge=0, le=1, description="of the peak at the last step: cosine, polynomial, one_cycle"
    )
    start_share: float = Field(default=0.04, ge=0, le=1, description="of the peak at the first step: one_cycle")


class RegularizationSettings(Section):
    """What keeps a model from learning its training comments by heart."""

    dropout: Dropout = Field(default=-1.0, description="of hidden states; -1: as the model has it")
    attention_dropout: Dropout = Field(default=-1.0, description="of attention; -1: as the model has it")
    head_dropout: Dropout = Field(default=-1.0, description="before the head; -1: as the model has it")
    layer_decay: float = Field(
        default=1.0, ge=1e-3, le=1, description="learning rate of a layer as a share of the one above it"
    )
    unfreeze_fraction: float = Field(
        default=0.0, ge=0, le=1, description="share of all steps over which layers thaw from the top down; 0: off"
    )
    reinit_layers: int = Field(
        default=0, ge=0, le=1000, description="top layers that are drawn anew, and the pooler with them"
    )
    r_drop: float = Field(default=0.0, ge=0, le=1000, description="weight of the agreement of two passes; 0: one pass")
    multi_sample_dropout: int = Field(default=1, ge=1, le=64, description="dropout masks a comment before the head")
    token_dropout: float = Field(default=0.0, ge=0, lt=1, description="share of tokens masked in training")
    average: Literal["none", "ema", "swa"] = Field(
        default="none", description="of weights over steps, which is validated and kept: ema decays, swa counts alike"
    )
    ema_decay: float = Field(default=0.999, ge=0, lt=1, description="of the average, per step")
    swa_start: float = Field(default=0.75, ge=0, lt=1, description="share of all steps before it begins")
    adversarial: Literal["none", "fgm", "awp"] = Field(
        default="none", description="fgm: token embeddings, awp: weight matrices are moved to the worse"
    )
    adversarial_size: float = Field(
        default=0.1,
        ge=1e-6,
        le=100,
        description="of that move: its norm (fgm), or its share of each matrix's norm (awp)",
    )
    adversarial_start: float = Field(default=0.0, ge=0, lt=1, description="share of all steps before it begins")


class LinearSettings(Section):
    """Of the linear model over TF-IDF, ``model.name = "tf-idf"``; of no meaning to any other."""

    word_ngrams: int = Field(default=2, ge=1, le=5, description="words in a row, from 1 up to so many")
    character_ngrams: int = Field(default=5, ge=2, le=8, description="characters of a word, from 2 up to so many")
    max_features: int = Field(default=50_000, ge=1, le=10_000_000, description="most frequent ones kept of each kind")
    c: float = Field(default=1.0, ge=1e-6, le=1e6, description="inverse strength of the L2 penalty")


class EvaluationSettings(Section):
    """How to score the validation comments, and what the classifier takes from them."""

    tokens_per_batch: int = Field(default=8192, ge=8, le=10_000_000, description="padded tokens per scoring batch")
    max_length: int = Field(
        default=0, ge=0, le=8192, description="tokens when scoring, by the classifier too; 0: as data.max_length"
    )
    calibration: Literal["auto", "none"] = Field(
        default="auto", description="auto: scores become probabilities, by the simplest of four maps that is as good"
    )
    texts_in_report: bool = Field(
        default=True, description="show the worst errors of the report with their texts; false: by their ids"
    )
    policy: str = Field(
        default="default: f1", min_length=1, description="what each label's threshold is to reach; see 'thresholds'"
    )
