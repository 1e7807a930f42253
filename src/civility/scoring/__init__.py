"""Classifier: text to logits to scores to decisions, without torch. `Classifier` and `Ensemble` load on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civility.scoring.classifier import Classifier
    from civility.scoring.ensemble import Ensemble

__all__ = ["Classifier", "Ensemble"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'civility.scoring' has no attribute {name!r}")
    return getattr(import_module(f"civility.scoring.{name.lower()}"), name)
