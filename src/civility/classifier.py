"""Classifier: texts to scores, scores to decisions. The one path from text to score, for every consumer.

Knows neither recipes nor files of comments.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from civility.errors import UserError
from civility.model.batches import batches_by_budget, gather
from civility.model.encoder import Encoder, load_classifier_folder, quiet_transformers
from civility.model.forward import Forward, choose_forward
from civility.model.storage import plain_os_errors
from civility.model.tokens import tokenise
from civility.run import classifier_folder

SIDECAR = "civility.json"
SCHEMA = 1
DEFAULT_THRESHOLD = 0.5
_LONGEST_DEFAULT = 512
_SAMPLE = ("a word or two " * 40, "a word or two", "one")
"""Texts of several lengths, some of them past the distances that DeBERTa tells apart one by one."""


@dataclass(frozen=True)
class Sidecar:
    """What ``civility.json`` holds: what a Hugging Face folder has no place for.

    Parameters
    ----------
    labels : (L,) in the order of the logits
    thresholds : by label, in [0, 1]; a comment is flagged from there up
    max_length : tokens, special ones included; longer comments are cut
    """

    labels: tuple[str, ...]
    thresholds: Mapping[str, float]
    max_length: int

    def to_json(self) -> str:
        """Return the content of the file."""
        content = {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "thresholds": dict(self.thresholds),
            "max_length": self.max_length,
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Sidecar":
        """Read and check the file.

        Raises
        ------
        UserError : it is no JSON, of another schema, or incomplete
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] != SCHEMA:
                raise UserError(f"{path}: schema {content['schema']}, this version reads {SCHEMA}", "upgrade civility")
            labels = tuple(str(label) for label in content["labels"])
            thresholds = {label: float(content["thresholds"][label]) for label in labels}
            max_length = int(content["max_length"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: damaged: {type(error).__name__} {error}", "get the classifier folder again"
            ) from error
        if not all(0 <= value <= 1 for value in thresholds.values()) or max_length < 1:
            raise UserError(f"{path}: damaged: a threshold is outside [0, 1], or max_length is below 1")
        return cls(labels, thresholds, max_length)


class Classifier:
    """A multi-label classifier of comments: `score` gives numbers, `decide` acts on them.

    Parameters
    ----------
    encoder : model and tokenizer, labels in the order of the logits
    max_length : tokens; longer comments are cut
    thresholds : by label; 0.5 where none is given
    """

    def __init__(self, encoder: Encoder, max_length: int, thresholds: Mapping[str, float] | None = None) -> None:
        self._encoder = encoder
        self.labels: tuple[str, ...] = encoder.labels
        self.max_length = max_length
        given = thresholds or {}
        self.thresholds = {label: float(given.get(label, DEFAULT_THRESHOLD)) for label in self.labels}
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @classmethod
    def load(cls, target: str | Path) -> "Classifier":
        """Load a classifier.

        Parameters
        ----------
        target : a run directory, a classifier folder, or the name of a multi-label classifier on the hub

        Raises
        ------
        UserError : nothing is there, or it is no multi-label classifier, or it is damaged
        """
        folder = classifier_folder(str(target))
        encoder = load_classifier_folder(folder)
        path = Path(folder) / SIDECAR
        if not path.is_file():
            return cls(encoder, min(encoder.longest_text, _LONGEST_DEFAULT))
        sidecar = Sidecar.read(path)
        if sidecar.labels != encoder.labels:
            raise UserError(
                f"{folder}: {SIDECAR} names the labels {', '.join(sidecar.labels)}, "
                f"config.json {', '.join(encoder.labels)}",
                "the two files are not of one classifier; get the folder again",
            )
        if sidecar.max_length > encoder.longest_text:
            raise UserError(
                f"{path}: damaged: max_length is {sidecar.max_length}, the model takes {encoder.longest_text} tokens",
                "get the classifier folder again",
            )
        return cls(encoder, sidecar.max_length, sidecar.thresholds)

    @functools.cached_property  # a classifier that is only saved need not be tried
    def _forward(self) -> Forward:
        model = self._encoder.model.to(self._device).eval()
        sample = tokenise(self._encoder.tokenizer, _SAMPLE, self.max_length)
        batch = gather(sample, np.arange(len(sample))).to(self._device)
        return choose_forward(model, "auto", batch, gradients=False).forward

    def save(self, folder: Path, card: str) -> None:
        """Write the classifier as a plain Hugging Face folder with ``civility.json`` and a model card.

        Parameters
        ----------
        folder : an existing empty folder; the caller puts it in place when it is whole
        card : the text of README.md
        """
        model, tokenizer = self._encoder.model, self._encoder.tokenizer
        # With these, `pipeline(..., truncation=True)` and plain `tokenizer(...)` cut where we do.
        tokenizer.model_max_length = self.max_length
        with plain_os_errors(), quiet_transformers():
            model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        sidecar = Sidecar(self.labels, self.thresholds, self.max_length)
        (folder / SIDECAR).write_text(sidecar.to_json(), encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")

    def score(
        self,
        texts: Sequence[str],
        *,
        tokens_per_batch: int = 8192,
        on_scored: Callable[[int], None] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Return the score of each label for each text, in the order given.

        The result does not depend on batch size, order or neighbours, to 1e-5.

        Parameters
        ----------
        texts : (N,) a list of strings, of any length, 0 and 1 included
        tokens_per_batch : padded tokens that go through the model at once: memory against speed
        on_scored : called after each batch with the number of texts in it, for a progress bar

        Returns
        -------
        float32 (N, L) in [0, 1]

        Raises
        ------
        TypeError : ``texts`` is a single string, or holds something that is no string
        """
        _check_texts(texts)
        scores = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        tokens = tokenise(self._encoder.tokenizer, texts, self.max_length)
        with torch.inference_mode():
            for rows in batches_by_budget(tokens.lengths, tokens_per_batch):
                logits = self._forward(gather(tokens, rows).to(self._device))
                scores[rows] = torch.sigmoid(logits.float()).cpu().numpy()
                if on_scored is not None:
                    on_scored(len(rows))
        return scores

    def decide(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return whether each score reaches its label's threshold, bool (N, L).

        Raises
        ------
        ValueError : ``scores`` has not one column a label
        """
        if scores.ndim != 2 or scores.shape[1] != len(self.labels):
            raise ValueError(f"scores have shape {scores.shape}, expected (N, {len(self.labels)})")
        cuts = np.array([self.thresholds[label] for label in self.labels], dtype=np.float32)
        return np.asarray(scores >= cuts)


def _check_texts(texts: Any) -> None:
    if isinstance(texts, str | bytes):
        raise TypeError("texts is a single string: give a list, as in score([text])")
    if texts is None:
        raise TypeError("texts is None: give a list of strings")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{i}] is {type(text).__name__}: every text must be a string")
