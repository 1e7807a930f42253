"""The kinds of classifier, in one table: what ``civility.json`` calls each, and the class that loads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from civility.scoring.scorer import Scorer
from civility.scoring.sidecar import Kind


@dataclass(frozen=True)
class KindEntry:
    """How a kind is loaded.

    Parameters
    ----------
    module : imported only when a classifier of this kind is loaded, since an encoder brings torch
    scorer : name of the class in it; ``scorer.load(folder, max_length)`` returns a `Scorer`
    labels_in : where its folder names the labels, for errors
    """

    module: str
    scorer: str
    labels_in: str


KINDS: Mapping[Kind, KindEntry] = {
    "encoder": KindEntry("civility.models.encoder_scorer", "EncoderScorer", "config.json"),
    "linear": KindEntry("civility.scoring.linear_scorer", "LinearScorer", "linear.json"),
    "ensemble": KindEntry("civility.scoring.ensemble_scorer", "Ensemble", "its members"),
}


def load_scorer(kind: Kind, folder: str, max_length: int) -> Scorer:
    """Load the scorer of a classifier folder.

    Parameters
    ----------
    kind : as ``civility.json`` has it
    folder : a classifier folder, or for an encoder the name of a repository on the hub
    max_length : tokens at which longer comments are truncated; 0: what the model takes, at most 512

    Raises
    ------
    UserError : the folder is damaged, or no classifier of this kind
    """
    found = KINDS[kind]
    scorer: Scorer = getattr(import_module(found.module), found.scorer).load(folder, max_length)
    return scorer
