"""The starter corpus: invented comments, composed from the templates in this folder's TOML files."""

from civility.data.dialects import LABELS
from civility.data.starter.corpus import starter_corpus

__all__ = ["LABELS", "starter_corpus"]
