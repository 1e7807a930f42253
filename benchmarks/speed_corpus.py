"""Comments as long as those of Jigsaw 2018, and models of true size without a hub: what the speed benchmarks work on.

    CIVILITY_DATA=FOLDER python benchmarks/speed_corpus.py      # makes jigsaw_token_lengths.json anew

`jigsaw_token_lengths.json` counts the tokens of the 18,029 comments that stand in a row in the official training file,
by the tokenizer of all-MiniLM-L6-v2, truncated at 256. mDeBERTa's own tokenizer needs a hub, so its
comments are taken to be as long, and are made of numbers that a tokenizer of a word a row turns into ids.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from true_size import CONFIG  # found beside the script

from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData
from civility.models.encoder import PROBLEM_TYPE
from civility.models.model_source import STARTER_MODEL, quiet_transformers
from civility.models.tokenizer import load_tokenizer, tokenise

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
SHARES = (0.096, 0.010, 0.053, 0.003, 0.049, 0.009)
MAX_LENGTH = 256
ROWS_IN_USE = 45_000
"""Rows of mDeBERTa's embedding that an English corpus of this size touches: an assumption (a few tens of thousands)."""

_LENGTHS = Path(__file__).with_name("jigsaw_token_lengths.json")
_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
_NUM_FRAME = 2  # [CLS] and [SEP], which every comment has
_BATCHES_PER_CHUNK = 50
_WORDS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Corpus:
    """Comments of a corpus, their tokens, and where they come from.

    Parameters
    ----------
    texts : (N,)
    lengths : (N,) tokens, special ones included, at most 256
    origin : in words
    """

    texts: list[str]
    lengths: npt.NDArray[np.int64]
    origin: str


def draw_lengths(num_comments: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return this many lengths in tokens, (N,), in random order: the quantiles of Jigsaw 2018 themselves."""
    counts = np.array(json.loads(_LENGTHS.read_text(encoding="utf-8"))["counts"])
    share = np.cumsum(counts) / counts.sum()
    lengths = np.searchsorted(share, (np.arange(num_comments) + 0.5) / num_comments)
    return rng.permutation(lengths).astype(np.int64)


def generate_texts(words: list[str], lengths: npt.NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """Return texts of this many tokens, of words of a token each, as frequent as in Zipf's law; each word occurs.

    (Where there is room for each.)
    """
    cumulated = np.cumsum(1 / (np.arange(len(words)) + 2.7))
    ends = np.cumsum(lengths - _NUM_FRAME)
    planted = rng.choice(ends[-1], min(len(words), ends[-1]), replace=False)
    all_words = np.array(words, dtype=object)
    texts: list[str] = []
    for start in range(0, len(lengths), max(1, int(_WORDS_AT_ONCE // lengths.mean()))):
        stop = min(len(lengths), start + max(1, int(_WORDS_AT_ONCE // lengths.mean())))
        first, last = (ends[start - 1] if start else 0), ends[stop - 1]
        chosen = np.searchsorted(cumulated, rng.random(last - first) * cumulated[-1])
        here = np.flatnonzero((planted >= first) & (planted < last))
        chosen[planted[here] - first] = here
        parts = np.split(all_words[chosen], ends[start:stop][:-1] - first)
        texts += [" ".join(part) for part in parts]
    return texts


def starter_corpus(num_comments: int) -> Corpus:
    """Return comments for all-MiniLM-L6-v2: of Jigsaw 2018 where CIVILITY_DATA names it, else generated."""
    if os.environ.get("CIVILITY_DATA"):
        texts = _natural_texts()[:num_comments]
        lengths = tokenise(load_tokenizer(STARTER_MODEL), texts, MAX_LENGTH).lengths
        return Corpus(texts, lengths, "Jigsaw 2018")
    return generated_corpus(num_comments)


def generated_corpus(num_comments: int) -> Corpus:
    """Return generated comments for all-MiniLM-L6-v2, of words that are a token each."""
    rng = np.random.default_rng(0)
    vocabulary = load_tokenizer(STARTER_MODEL).get_vocab()
    words = sorted(word for word in vocabulary if word.isascii() and word.isalpha())
    lengths = draw_lengths(num_comments, rng)
    texts = generate_texts(list(rng.permutation(words)), lengths, rng)
    return Corpus(texts, lengths, "generated words, lengths of Jigsaw 2018")


def number_corpus(num_comments: int, num_rows: int, rows_in_use: int) -> Corpus:
    """Return comments for a model of `write_mdeberta`, which together use this many rows of its embedding.

    Parameters
    ----------
    num_comments : N
    num_rows : of the embedding; the ones in use are scattered over it
    rows_in_use : special tokens not counted in
    """
    rng = np.random.default_rng(0)
    words = [str(i) for i in rng.choice(num_rows - len(_SPECIAL), rows_in_use, replace=False)]
    lengths = draw_lengths(num_comments, rng)
    origin = f"generated ids, lengths of Jigsaw 2018, {rows_in_use:,} of {num_rows:,} rows in use (assumed)"
    return Corpus(generate_texts(words, lengths, rng), lengths, origin)


def representative_rows(lengths: npt.NDArray[np.int64], batch_size: int, num_batches: int) -> npt.NDArray[np.int64]:
    """Return comments that sorted by length are as long and as alike as the batches of a whole epoch.

    Chunks of 50 batches are sorted, as when batches are grouped by length; of one chunk's batches this many are taken,
    evenly spaced. Sorted again, they make up the same batches. It is the chunk whose choice has the mean length of all
    comments, to a few per cent: a choice of shorter ones would flatter whoever does not pad to the maximum.
    """
    size = batch_size * _BATCHES_PER_CHUNK
    chunks = [np.arange(start, min(start + size, len(lengths))) for start in range(0, len(lengths), size)]
    choices = [_evenly_spaced(rows[np.argsort(lengths[rows])], batch_size, num_batches) for rows in chunks]
    return min(choices, key=lambda rows: abs(float(lengths[rows].mean() - lengths.mean())) if len(rows) else np.inf)


def _evenly_spaced(rows: npt.NDArray[np.int64], batch_size: int, num_batches: int) -> npt.NDArray[np.int64]:
    """Return whole batches of sorted rows, evenly spaced; none where there are fewer."""
    num_there = len(rows) // batch_size
    if num_there < num_batches:
        return rows[:0]
    places = ((np.arange(num_batches) + 0.5) * num_there / num_batches).astype(int)
    return np.concatenate([rows[place * batch_size :][:batch_size] for place in places])


def prepared(corpus: Corpus, rows: npt.NDArray[np.int64]) -> PreparedData:
    """Return a corpus as training data: these rows to train on, all others to validate on, with drawn targets."""
    rng = np.random.default_rng(1)
    targets = (rng.random((len(corpus.texts), len(LABELS))) < np.array(SHARES)).astype(np.float32)
    targets[rows[0]] = 1.0  # every label has a positive
    whole = Dataset(tuple(corpus.texts), targets, tuple(str(i) for i in range(len(corpus.texts))), LABELS)
    others = np.setdiff1d(np.arange(len(corpus.texts)), rows)
    return PreparedData(whole.select(rows), whole.select(others), (), (), ())


def mdeberta_config(shrink: int = 1) -> dict[str, Any]:
    """Return the shape of mDeBERTa-v3-base; with widths, heads and rows divided, the embedding's share is the same.

    Parameters
    ----------
    shrink : 1, 2, 3, 4, 6 or 12
    """
    divided = ("vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "pooler_hidden_size")
    return {key: value // shrink if key in divided else value for key, value in CONFIG.items()}  # type: ignore[operator]


def write_mdeberta(folder: Path, shrink: int = 1) -> None:
    """Write a multi-label classifier of mDeBERTa's shape with random weights; its words are the numbers from 0 on."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification, PreTrainedTokenizerFast

    config = mdeberta_config(shrink)
    words = [*_SPECIAL, *(str(i) for i in range(config["vocab_size"] - len(_SPECIAL)))]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    frame = [(word, words.index(word)) for word in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=frame)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
    )
    torch.manual_seed(0)
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}
    model = DebertaV2ForSequenceClassification(DebertaV2Config(**config, **names, problem_type=PROBLEM_TYPE))
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _natural_texts() -> list[str]:
    """Return the comments that stand in a row in the official training file, with its own lengths and prevalence."""
    import pyarrow.parquet as pq

    path = Path(os.environ["CIVILITY_DATA"]) / "jigsaw-2018" / "train.parquet"
    table = pq.read_table(path, columns=["comment_text", "natural"])
    return [text for text, natural in zip(*(column.to_pylist() for column in table), strict=True) if natural]


def main() -> None:
    """Count lengths, and write the file beside this script."""
    lengths = tokenise(load_tokenizer(STARTER_MODEL), _natural_texts(), MAX_LENGTH).lengths
    counts = np.bincount(lengths, minlength=MAX_LENGTH + 1).tolist()
    _LENGTHS.write_text(json.dumps({"counts": counts}) + "\n", encoding="utf-8")
    print(f"{len(lengths):,} comments, {lengths.mean():.1f} tokens on average, median {np.median(lengths):.0f}")


if __name__ == "__main__":
    main()
