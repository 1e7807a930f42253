"""The encoder kind: a pretrained transformer in float32 with a head on our label axis; loading, scoring and saving it.

Knows neither data nor training. transformers is imported when a model is loaded, not before.
"""

import functools
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from civility.arrays import Floats, Logits
from civility.documents.classifier_file import CLASSIFIER_FILE, Kind
from civility.errors import UserError
from civility.models.batches import batches_by_budget, gather
from civility.models.forward_paths import Forward, choose_forward
from civility.models.model_files import (
    CONFIG_REMEDY,
    check_config,
    check_finite,
    check_keys,
    check_size,
    check_types,
    files_of_weights,
    plain_os_errors,
    refuse_adapter,
)
from civility.models.model_source import explain_loading, locate, quiet_transformers
from civility.models.tokenizer import check_ids, load_tokenizer, longest_text, tokenise
from civility.models.vocabulary import num_parameters
from civility.scoring.kinds import OnScored
from civility.storage.atomic_files import check_utf8

PROBLEM_TYPE = "multi_label_classification"

_NOT_OF_THE_MODEL = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")
_OUTPUT_SETTINGS = {
    "return_dict": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "chunk_size_feed_forward": 0,
}
"""How a pass returns its results or saves memory: with other values it would fail, or keep tensors nobody reads."""

_ANY_WORDS = "the a of and to in 0 1 2"
_FEW_TOKENS = 16
_DEFAULT_STD = 0.02  # standard deviation of a new head if the configuration has none, such as T5's

_LONGEST_DEFAULT = 512
_SHORTEST = 3  # tokens: one of the text between two special tokens
_SAMPLE = ("a word or two " * 40, "a word or two", "one")
"""Texts of several lengths; the first is longer than the distances to which DeBERTa gives embeddings of their own."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """A sequence classifier in float32 and its tokenizer."""

    model: Any  # transformers model; logits (B, L) in the order of ``labels``
    tokenizer: Any
    labels: tuple[str, ...]  # (L,) names of the label axis
    head_is_new: bool  # whether the head starts from random values

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
    config, wanted = load_config(name, revision), tuple(labels)
    found = label_names(name, config)
    keeps_head = config.problem_type == PROBLEM_TYPE and sorted(found) == sorted(wanted)
    if keeps_head:
        model = _load_model(name, revision, config, found, any_head=False)
        if found != wanted:
            _reorder_head(model, found, wanted)
    else:
        torch.manual_seed(seed)  # a pooler that the checkpoint lacks is drawn during loading
        model = _load_model(name, revision, config, wanted, any_head=True)
        _draw_head(model, seed)
    return _encoder(name, model, tokenizer or load_tokenizer(name, revision), wanted, head_is_new=not keeps_head)


def load_classifier_folder(name: str) -> Encoder:
    """Load a multi-label classifier as it is: its own label names, in its own order.

    Raises
    ------
    UserError : it cannot be found or read, or is not a multi-label classifier with named labels
    """
    config = load_config(name, None)
    if config.problem_type != PROBLEM_TYPE:
        problem, expected = f"problem_type is {json.dumps(config.problem_type)}", json.dumps(PROBLEM_TYPE)
        remedy = "name a run directory or a multi-label classifier folder; train a bare encoder first"
        raise UserError("models.not-a-classifier", problem, where=name, expected=expected, remedy=remedy)
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
    """Return the configuration of a model, its shape and label names; UserError if it cannot be found or read."""
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


def _draw_head(model: Any, seed: int) -> None:
    """Draw the linear layers outside the encoder from the seed; a head for other labels may have loaded silently."""
    generator = torch.Generator().manual_seed(seed)
    prefix, config = f"{model.base_model_prefix}.", model.config.get_text_config()
    std: float = getattr(config, "initializer_range", getattr(config, "init_std", _DEFAULT_STD))
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and not name.startswith(prefix):
            with torch.no_grad():
                module.weight.normal_(0.0, std, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()


def _reorder_head(model: Any, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Put the rows of the output layer from the order ``found`` into the order ``wanted``, (L,) labels each.

    Raises a UserError if no linear layer has L outputs.
    """
    head = _output_layer(model, len(found))
    if head is None:
        problem = f"the checkpoint has the labels {', '.join(found)} in this order, and no head that can be reordered"
        remedy = "name the labels in the checkpoint's order (data.labels)"
        raise UserError("models.unknown-part", problem, remedy=remedy)
    rows = [found.index(label) for label in wanted]
    with torch.no_grad():
        head.weight.copy_(head.weight[rows].clone())
        if head.bias is not None:
            head.bias.copy_(head.bias[rows].clone())
    model.config.id2label = dict(enumerate(wanted))
    model.config.label2id = {label: i for i, label in enumerate(wanted)}


def fold_into_head(encoder: Encoder, scale: Floats, shift: Floats) -> bool:
    """Change the output layer in place, so that each logit becomes ``scale * logit + shift``, (L,) each.

    Returns
    -------
    False, with nothing changed, if the logits are not the outputs of a linear layer with a bias, or if a changed weight
    would overflow float32
    """
    head = _output_layer(encoder.model, len(encoder.labels))
    if head is None or head.bias is None or not _gives_the_logits(encoder, head):
        return False
    with torch.no_grad():
        factor = torch.as_tensor(scale, dtype=torch.float64, device=head.weight.device)
        summand = torch.as_tensor(shift, dtype=torch.float64, device=head.weight.device)
        weight = (head.weight.double() * factor[:, None]).float()
        bias = (head.bias.double() * factor + summand).float()
        if not (weight.isfinite().all() and bias.isfinite().all()):
            return False
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return True


def _output_layer(model: Any, num_outputs: int) -> torch.nn.Linear | None:
    """Return the last linear layer with this number of outputs."""
    heads = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == num_outputs]
    return heads[-1] if heads else None


def _gives_the_logits(encoder: Encoder, head: torch.nn.Linear) -> bool:
    """Whether the layer's outputs are the model's logits, bit for bit, on a short text."""
    seen: list[torch.Tensor] = []
    hook = head.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs))
    try:
        with torch.no_grad():
            tokens = gather(tokenise(encoder.tokenizer, [_ANY_WORDS], _FEW_TOKENS), np.array([0]))
            ids, mask = tokens.to(head.weight.device).padded()
            logits = encoder.model(input_ids=ids, attention_mask=mask).logits
    finally:
        hook.remove()
    return len(seen) == 1 and torch.equal(seen[0], logits)


class EncoderScorer:
    """Computes logits with a transformer; comments are truncated to ``max_length`` tokens."""

    kind: Kind = "encoder"

    def __init__(self, encoder: Encoder, max_length: int) -> None:
        self.encoder = encoder
        self.labels = encoder.labels
        self.max_length = max_length
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @classmethod
    def load(cls, folder: str, max_length: int = 0) -> "EncoderScorer":
        """Load a scorer from a folder or hub repository; a ``max_length`` of 0: what the model takes, at most 512.

        Raises
        ------
        UserError : it is not a multi-label classifier, or takes fewer than ``max_length`` tokens
        """
        encoder = load_classifier_folder(folder)
        longest = encoder.longest_text
        if longest < _SHORTEST:
            remedy = "correct model_max_length in tokenizer_config.json, or max_position_embeddings in config.json"
            found, expected = f"takes {longest} tokens at most", f"{_SHORTEST} or more"
            raise UserError("models.max-length", found, where=folder, expected=expected, remedy=remedy)
        if max_length and not _SHORTEST <= max_length <= longest:
            remedy = f"correct max_length: from {_SHORTEST} to {longest}"
            found = f"max_length is {max_length}, the model takes {longest} tokens"
            raise UserError("models.max-length", found, where=f"{Path(folder) / CLASSIFIER_FILE}", remedy=remedy)
        return cls(encoder, max_length or min(longest, _LONGEST_DEFAULT))

    @functools.cached_property  # not needed for a classifier that is only saved
    def _forward(self) -> Forward:
        model = self.encoder.model.to(self._device).eval()
        sample = tokenise(self.encoder.tokenizer, _SAMPLE, self.max_length)
        batch = gather(sample, np.arange(len(sample))).to(self._device)
        return choose_forward(model, "auto", batch, gradients=False).forward

    def logits(self, texts: Sequence[str], tokens_per_batch: int, on_scored: OnScored | None) -> Logits:
        """Return the logits of the model, (N, L); as `Scorer.logits`."""
        logits = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        tokens = tokenise(self.encoder.tokenizer, texts, self.max_length)
        with torch.inference_mode():
            for rows in batches_by_budget(tokens.lengths, tokens_per_batch):
                batch = self._forward(gather(tokens, rows).to(self._device))
                logits[rows] = batch.float().cpu().numpy()
                if on_scored is not None:
                    on_scored(len(rows))
        return logits

    def fold_affine(self, scale: Floats, shift: Floats) -> bool:
        """Change the head so that each logit becomes ``scale * logit + shift``, if it is a linear layer."""
        return fold_into_head(self.encoder, scale, shift)

    def save(self, folder: Path) -> None:
        """Write model and tokenizer as a plain Hugging Face folder; a UserError if its path is not UTF-8."""
        check_utf8(folder, "choose another place")
        model, tokenizer = self.encoder.model, self.encoder.tokenizer
        # With this, `pipeline(..., truncation=True)` and plain `tokenizer(...)` truncate where we do.
        tokenizer.model_max_length = self.max_length
        with plain_os_errors(), quiet_transformers():
            model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
