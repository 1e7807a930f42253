"""Classifier: text to logits to scores to decisions, without torch. The classes here are loaded on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civility.scoring.classifier import Classifier
    from civility.scoring.ensemble_model import Ensemble
    from civility.scoring.linear_model import LinearModel

_MODULES = {"Classifier": "classifier", "Ensemble": "ensemble_model", "LinearModel": "linear_model"}
__all__ = ["Classifier", "Ensemble", "LinearModel"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'civility.scoring' has no attribute {name!r}")
    return getattr(import_module(f"civility.scoring.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
