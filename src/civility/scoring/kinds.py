"""The kinds of classifier, in one table: what ``civility.json`` calls each, and the class that loads and scores it."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

from civility.arrays import Floats, Logits
from civility.documents.classifier_file import Kind

OnScored = Callable[[int], None]  # called after each batch with the number of texts in it


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


class KindEntry(NamedTuple):
    """How a kind is loaded: the class ``scorer`` has a ``load(folder, max_length)``.

    Its module is imported only when a classifier of this kind is loaded, because an encoder needs torch. ``labels_in``
    is where its folder names the labels, for error messages.
    """

    module: str
    scorer: str
    labels_in: str


KINDS: Mapping[Kind, KindEntry] = {
    "encoder": KindEntry("civility.models.encoder", "EncoderScorer", "config.json"),
    "linear": KindEntry("civility.scoring.linear_model", "LinearModel", "linear.json"),
    "ensemble": KindEntry("civility.scoring.ensemble_model", "Ensemble", "its first member"),
}


def load_scorer(kind: Kind, folder: str, max_length: int) -> Scorer:
    """Load the scorer of a classifier folder, or for an encoder of a hub repository; UserError if it is damaged.

    Longer texts are truncated to ``max_length`` tokens; 0: what the model takes, at most 512.
    """
    entry = KINDS[kind]
    scorer: Scorer = getattr(import_module(entry.module), entry.scorer).load(folder, max_length)
    return scorer
