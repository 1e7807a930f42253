"""Encoder: a pretrained transformer with a head on our label axis, loaded in float32 with named labels and a sigmoid.

Knows neither data nor training. transformers is imported when a model is loaded, not before.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from civility.errors import UserError
from civility.models.config_checks import CONFIG_REMEDY, check_config, refuse_adapter
from civility.models.head import draw_head, reorder_head
from civility.models.model_source import explain_loading, locate
from civility.models.tokenizer import check_ids, load_tokenizer, longest_text
from civility.models.vocabulary import num_parameters
from civility.models.weight_files import check_finite, check_keys, check_size, check_types, files_of_weights

PROBLEM_TYPE = "multi_label_classification"

_NOT_OF_THE_MODEL = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")
_OUTPUT_SETTINGS = {
    "return_dict": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "chunk_size_feed_forward": 0,
}
"""Settings of how a pass returns its results or saves memory. They do not change scores; with other values than these a
pass would fail, or keep tensors that nobody reads."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """A sequence classifier in float32 and its tokenizer.

    Parameters
    ----------
    model : transformers model; logits (B, L) in the order of ``labels``
    tokenizer : fast tokenizer
    labels : (L,) names of the label axis
    head_is_new : whether the head starts from random values
    """

    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    head_is_new: bool

    @property
    def num_parameters(self) -> int:
        """All parameters, including all rows of the token embedding."""
        return num_parameters(self.model)

    @property
    def longest_text(self) -> int:
        """Tokens that the model takes, special tokens included."""
        return longest_text(self.model, self.tokenizer)


def load_encoder(
    name: str, labels: Sequence[str], *, revision: str | None = None, seed: int = 0, tokenizer: Any = None
) -> Encoder:
    """Load a pretrained model with a head on the given label axis, every parameter in float32.

    The head of a checkpoint is kept if it has exactly these label names; its rows are reordered if necessary. Any other
    is replaced by a new one, drawn from ``seed``.

    Parameters
    ----------
    name : a folder, a hub repository, or ``all-MiniLM-L6-v2`` for the packaged starter model
    labels : (L,) names, in the order of the logits
    revision : commit or tag of a hub repository
    seed : of the new head
    tokenizer : the model's own, if it has been loaded already

    Raises
    ------
    UserError : the model cannot be found or read
    """
    config = load_config(name, revision)
    found = label_names(name, config)
    keeps_head = config.problem_type == PROBLEM_TYPE and sorted(found) == sorted(labels)
    if not keeps_head:
        torch.manual_seed(seed)  # a pooler that the checkpoint lacks is drawn during loading
        model = _load_model(name, revision, config, tuple(labels), any_head=True)
        draw_head(model, seed)
    else:
        model = _load_model(name, revision, config, found, any_head=False)
        if found != tuple(labels):
            reorder_head(model, found, tuple(labels))
    own = tokenizer or load_tokenizer(name, revision)
    return _encoder(name, model, own, tuple(labels), head_is_new=not keeps_head)


def load_classifier_folder(name: str) -> Encoder:
    """Load a multi-label classifier as it is: its own label names, in its own order.

    Raises
    ------
    UserError : it cannot be found or read, or is not a multi-label classifier with named labels
    """
    config = load_config(name, None)
    if config.problem_type != PROBLEM_TYPE:
        raise UserError(
            "models.not-a-classifier",
            f"problem_type is {json.dumps(config.problem_type)}",
            where=name,
            expected=json.dumps(PROBLEM_TYPE),
            remedy="name a run directory or a multi-label classifier folder; train a bare encoder first",
        )
    labels = label_names(name, config)
    if len(set(labels)) != len(labels):
        found = f"the classifier has a label name twice: {', '.join(labels)}"
        remedy = "give each label a name of its own in id2label of config.json"
        raise UserError("models.not-a-classifier", found, where=name, remedy=remedy)
    model = _load_model(name, None, config, labels, any_head=False)
    return _encoder(name, model, load_tokenizer(name), labels, head_is_new=False)


def _encoder(name: str, model: Any, tokenizer: Any, labels: tuple[str, ...], *, head_is_new: bool) -> Encoder:
    """Combine a model and its tokenizer; give the model the padding token if only the tokenizer has it.

    GPT-2 and its relatives read the last token that is not padding, and refuse batches if no padding token is set.
    """
    text = model.config.get_text_config()
    if getattr(text, "pad_token_id", None) is None:
        text.pad_token_id = tokenizer.pad_token_id
    check_ids(name, model, tokenizer)
    return Encoder(model, tokenizer, labels, head_is_new)


def load_config(name: str, revision: str | None) -> Any:
    """Return the configuration of a model: its shape and its label names, without its weights.

    Raises
    ------
    UserError : it cannot be found or read
    """
    from transformers import AutoConfig, PretrainedConfig

    place, revision = locate(name), revision or "main"
    with explain_loading(name):
        refuse_adapter(name, place, revision)
        settings, _ = PretrainedConfig.get_config_dict(place, revision=revision)
        check_config(name, settings)
        return AutoConfig.from_pretrained(place, revision=revision, trust_remote_code=False)


def settings_of(config: Any) -> dict[str, Any]:
    """Return a model's settings without those that say where it came from and what wrote it."""
    return {key: value for key, value in config.to_dict().items() if key not in _NOT_OF_THE_MODEL}


def label_names(name: str, config: Any) -> tuple[str, ...]:
    """Return the label names of a configuration, in the order of the outputs."""
    with explain_loading(name):
        return tuple(str(config.id2label[i]) for i in range(len(config.id2label)))


def _load_model(name: str, revision: str | None, config: Any, labels: tuple[str, ...], *, any_head: bool) -> Any:
    """Load a model in float32 with these labels, and refuse weights that are not entirely its own.

    With ``any_head`` the head may be missing or of another size; everything else must be there.
    """
    from transformers import AutoModelForSequenceClassification

    if not labels:
        raise UserError("models.config", "config.json: id2label names no label", where=name, remedy=CONFIG_REMEDY)
    place, revision = locate(name), revision or "main"
    with explain_loading(name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Casting complex values")  # refused below
        check_size(name, config, place)
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            place,
            revision=revision,
            trust_remote_code=False,
            weights_only=True,  # a .bin file is a pickle: load its tensors, call nothing
            # transformers 5 keeps the checkpoint's own dtype, and mDeBERTa's is float16: training would have
            # no float32 master weights (huggingface/sentence-transformers#3773).
            dtype=torch.float32,
            # pipeline() chooses sigmoid or softmax by the problem type, so it is set and saved.
            problem_type=PROBLEM_TYPE,
            id2label=dict(enumerate(labels)),
            label2id={label: i for i, label in enumerate(labels)},
            ignore_mismatched_sizes=True,  # reported below, by name
            output_loading_info=True,
            **{name: value for name, value in _OUTPUT_SETTINGS.items() if hasattr(config, name)},
        )
        check_types(name, model, files_of_weights(place, revision, config))
    check_keys(name, model, loaded, any_head=any_head)
    for tensor, parameter in model.named_parameters():
        # A model that is partly in float16 trains wrongly without an error.
        assert parameter.dtype == torch.float32, f"{tensor} is {parameter.dtype} after loading in float32"
    check_finite(name, model)
    return model
