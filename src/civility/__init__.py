"""Train multi-label toxic-comment classifiers, and run them anywhere.

The nouns are loaded on first use, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civility.data.dataset import Dataset
    from civility.errors import UserError
    from civility.evaluation import Report
    from civility.recipe import Recipe
    from civility.scoring.classifier import Classifier
    from civility.scoring.ensemble_model import Ensemble

__version__ = "0.1.0"
__all__ = ["Classifier", "Dataset", "Ensemble", "Recipe", "Report", "UserError", "__version__"]

_HOMES = {
    "Classifier": "civility.scoring.classifier",
    "Dataset": "civility.data.dataset",
    "Ensemble": "civility.scoring.ensemble_model",
    "Recipe": "civility.recipe",
    "Report": "civility.evaluation",
    "UserError": "civility.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'civility' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
