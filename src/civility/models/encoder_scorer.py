"""EncoderScorer: the scorer of classifiers that are a transformer with a head, in a plain Hugging Face folder."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from civility.arrays import Floats, Logits
from civility.documents.classifier_file import CLASSIFIER_FILE, Kind
from civility.errors import UserError
from civility.models.batches import batches_by_budget, gather
from civility.models.encoder import Encoder, load_classifier_folder
from civility.models.forward_paths import Forward, choose_forward
from civility.models.head import fold_into_head
from civility.models.model_source import quiet_transformers
from civility.models.tokenizer import tokenise
from civility.models.weight_files import plain_os_errors
from civility.scoring.kinds import OnScored
from civility.storage.atomic_files import check_utf8

_LONGEST_DEFAULT = 512
_SHORTEST = 3
"""Tokens: one of the text between two special tokens."""
_SAMPLE = ("a word or two " * 40, "a word or two", "one")
"""Texts of several lengths; the first is longer than the distances to which DeBERTa gives embeddings of their own."""


class EncoderScorer:
    """Computes logits with a transformer.

    Parameters
    ----------
    encoder : model and tokenizer
    max_length : tokens to which longer comments are truncated
    """

    kind: Kind = "encoder"

    def __init__(self, encoder: Encoder, max_length: int) -> None:
        self.encoder = encoder
        self.labels = encoder.labels
        self.max_length = max_length
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @classmethod
    def load(cls, folder: str, max_length: int = 0) -> "EncoderScorer":
        """Load a scorer.

        Parameters
        ----------
        folder : a folder, or the name of a hub repository
        max_length : tokens to which longer comments are truncated; 0: what the model takes, at most 512

        Raises
        ------
        UserError : it is not a multi-label classifier, or takes fewer than ``max_length`` tokens
        """
        encoder = load_classifier_folder(folder)
        longest = encoder.longest_text
        if longest < _SHORTEST:
            raise UserError(
                "models.max-length",
                f"takes {longest} tokens at most",
                where=folder,
                expected=f"{_SHORTEST} or more",
                remedy="correct model_max_length in tokenizer_config.json, or max_position_embeddings in config.json",
            )
        if max_length and not _SHORTEST <= max_length <= longest:
            raise UserError(
                "models.max-length",
                f"max_length is {max_length}, the model takes {longest} tokens",
                where=f"{Path(folder) / CLASSIFIER_FILE}",
                remedy=f"correct max_length: from {_SHORTEST} to {longest}",
            )
        return cls(encoder, max_length or min(longest, _LONGEST_DEFAULT))

    @functools.cached_property  # not needed for a classifier that is only saved
    def _forward(self) -> Forward:
        model = self.encoder.model.to(self._device).eval()
        sample = tokenise(self.encoder.tokenizer, _SAMPLE, self.max_length)
        batch = gather(sample, np.arange(len(sample))).to(self._device)
        return choose_forward(model, "auto", batch, gradients=False).forward

    def logits(self, texts: Sequence[str], tokens_per_batch: int, on_scored: OnScored | None) -> Logits:
        """Return the logits of the model, (N, L); as `Scorer.logits`."""
        logits = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        tokens = tokenise(self.encoder.tokenizer, texts, self.max_length)
        with torch.inference_mode():
            for rows in batches_by_budget(tokens.lengths, tokens_per_batch):
                batch = self._forward(gather(tokens, rows).to(self._device))
                logits[rows] = batch.float().cpu().numpy()
                if on_scored is not None:
                    on_scored(len(rows))
        return logits

    def fold_affine(self, scale: Floats, shift: Floats) -> bool:
        """Change the head so that each logit becomes ``scale * logit + shift``, if it is a linear layer."""
        return fold_into_head(self.encoder, scale, shift)

    def save(self, folder: Path) -> None:
        """Write model and tokenizer as a plain Hugging Face folder; a UserError if its path is not UTF-8."""
        check_utf8(folder, "choose another place")
        model, tokenizer = self.encoder.model, self.encoder.tokenizer
        # With this, `pipeline(..., truncation=True)` and plain `tokenizer(...)` truncate where we do.
        tokenizer.model_max_length = self.max_length
        with plain_os_errors(), quiet_transformers():
            model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
