"""Experiment trackers, through accelerate: found before the run starts, started when it does."""

import importlib.util

from civility.errors import UserError, did_you_mean

# Each tracker of accelerate that we offer: the modules of which one is needed, and what to install.
_TRACKERS = {
    "tensorboard": (("tensorboard", "tensorboardX"), "tensorboard"),
    "wandb": (("wandb",), "wandb"),
    "mlflow": (("mlflow",), "mlflow"),
    "trackio": (("trackio",), "trackio"),
}


def check_tracker(name: str) -> None:
    """Raise a UserError unless the tracker is known and installed."""
    if name not in _TRACKERS:
        raise UserError(
            "engine.todo",
            f"unknown tracker {name!r}{did_you_mean(name, _TRACKERS)}",
            remedy=f"trackers: {', '.join(_TRACKERS)}",
        )
    modules, package = _TRACKERS[name]
    if not any(importlib.util.find_spec(module) for module in modules):
        raise UserError("engine.todo", f"the tracker {name} is not installed", remedy=f"pip install {package}")
