"""The kinds of classifier, in one table: what ``civility.json`` calls each, and the class that loads and scores it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from civility.arrays import Floats, Logits
from civility.documents.classifier_file import Kind

OnScored = Callable[[int], None]
"""Called after each batch with the number of texts in it."""


class Scorer(Protocol):
    """Texts to logits: the part of a classifier that differs between the kinds."""

    @property
    def kind(self) -> Kind:
        """The kind, as ``civility.json`` names it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """(L,) in the order of the logits."""

    @property
    def max_length(self) -> int:
        """Tokens to which texts are truncated; 0: never."""

    def logits(self, texts: Sequence[str], tokens_per_batch: int, on_scored: OnScored | None) -> Logits:
        """Return the logits, (N, L), in the order of the texts; no row depends on another text."""

    def fold_affine(self, scale: Floats, shift: Floats) -> bool:
        """Change the weights so that each logit becomes ``scale * logit + shift``, both (L,).

        False if this kind cannot; nothing has changed then.
        """

    def save(self, folder: Path) -> None:
        """Write what `logits` needs into an existing folder."""


@dataclass(frozen=True)
class KindEntry:
    """How a kind is loaded.

    Parameters
    ----------
    module : imported only when a classifier of this kind is loaded, because an encoder needs torch
    scorer : name of the class in it; ``scorer.load(folder, max_length)`` returns a `Scorer`
    labels_in : where its folder names the labels, for error messages
    """

    module: str
    scorer: str
    labels_in: str


KINDS: Mapping[Kind, KindEntry] = {
    "encoder": KindEntry("civility.models.encoder_scorer", "EncoderScorer", "config.json"),
    "linear": KindEntry("civility.scoring.linear_model", "LinearModel", "linear.json"),
    "ensemble": KindEntry("civility.scoring.ensemble_model", "Ensemble", "its first member"),
}


def load_scorer(kind: Kind, folder: str, max_length: int) -> Scorer:
    """Load the scorer of a classifier folder.

    Parameters
    ----------
    kind : as ``civility.json`` names it
    folder : a classifier folder; for an encoder also the name of a repository on the hub
    max_length : tokens to which longer texts are truncated; 0: what the model takes, at most 512

    Raises
    ------
    UserError : the folder is damaged, or holds another kind of classifier
    """
    entry = KINDS[kind]
    scorer: Scorer = getattr(import_module(entry.module), entry.scorer).load(folder, max_length)
    return scorer
