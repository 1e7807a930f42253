"""Tiny models built on the spot: real architectures and tokenizers, a few thousand random parameters."""

import filecmp
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Tiny models gain nothing from threads, and lose much when another job shares the cores. Set before torch is
# imported anywhere, and inherited by the processes that the tests start.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
# The cache of tokens of whoever runs the tests is left alone: tests that need one make their own.
os.environ["CIVILITY_CACHE"] = "off"
# What is printed depends on the width of the terminal: a test that wants another one sets it.
os.environ["COLUMNS"] = "100"


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond this many bytes: as a full disk, it takes a part of a write and refuses the rest."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


LAUNCHED = {
    "WORLD_SIZE": "2",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}
"""What torchrun sets for the first of two processes."""


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process take itself for the first of two."""
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)


OF_THE_MACHINE = ("environment.json", "timing.jsonl")
"""The files of a run that depend on the machine and on time. The others are the same for every run."""


def differing(first: Path, second: Path) -> list[str]:
    """Return the files in which two folders of runs differ, except those of the machine.

    The commands on a page name the folder of its run: in them alone two equal pages differ.
    """
    folders = (first, second)
    names = {str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    compared = sorted(name for name in names if Path(name).name not in OF_THE_MACHINE)
    _, unequal, missing = filecmp.cmpfiles(first, second, compared, shallow=False)
    return [*(name for name in unequal if not _is_same_page(first, second, name)), *missing]


def _is_same_page(first: Path, second: Path, name: str) -> bool:
    pages = [(run / name).read_bytes().replace(bytes(run), b"RUN") for run in (first, second)]
    return name.endswith(".html") and pages[0] == pages[1]


def forget_digests(folder: Path) -> None:
    """Take the digests of files out of a classifier folder, as of schema 3, so that what reads the files is reached."""
    for path in folder.rglob("civility.json"):
        if not path.is_file():
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            content = {key: value for key, value in content.items() if key not in ("files", "digest")}
            path.write_text(json.dumps(content), encoding="utf-8")


WORDS = (
    "the of and to in is you that it he was for on are with as his they be at one have this from or had by hot "
    "but some what there we can out other were all your when up use word how said an each she which do their "
    "time if will way about many then them would write like so these her long make thing see him two has look "
    "more day could go come did my sound no most number who over know water than call first people may down side "
    "been now find fool clown crap damn stupid hate kill nice thanks great garden train film music apple"
).split()
SENTENCES = [" ".join(WORDS[(i * 7 + j * (i % 5 + 1)) % len(WORDS)] for j in range(4 + i % 9)) for i in range(400)]


def _save_deberta_tokenizer(folder: Path) -> None:
    """Train a sentencepiece model, as mDeBERTa ships one, and nothing but it: transformers has to convert it."""
    import sentencepiece

    (folder / "corpus.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "spm"),
        vocab_size=120,
        model_type="unigram",
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
        num_threads=1,
    )
    (folder / "corpus.txt").unlink()
    (folder / "spm.vocab").unlink()
    config = {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": False, "vocab_type": "spm"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def build_tiny_deberta(folder: Path, **changes: Any) -> Path:
    """Write a random DeBERTa-v2 with mDeBERTa's settings in small, as an encoder without a head."""
    import torch
    from transformers import DebertaV2Config, DebertaV2Model

    folder.mkdir(parents=True)
    _save_deberta_tokenizer(folder)
    settings: dict[str, Any] = {
        "vocab_size": 128,  # more rows than pieces, as in mDeBERTa
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "max_relative_positions": -1,
        "position_buckets": 16,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
        "type_vocab_size": 0,
        "pooler_dropout": 0.0,
        "pad_token_id": 0,
        "initializer_range": 0.2,  # at the usual 0.02 so small a model gives every text the same score
        **changes,
    }
    torch.manual_seed(0)
    DebertaV2Model(DebertaV2Config(**settings)).save_pretrained(folder)
    return folder


def build_tiny_bert(folder: Path, **changes: Any) -> Path:
    """Write a random BERT with a word-piece vocabulary, as an encoder without a head."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *letters,
        *(f"##{one}" for one in letters),
    ]
    vocabulary = list(dict.fromkeys(pieces))
    # transformers 5 takes a mapping here, and silently ignores the former vocab_file.
    tokenizer = BertTokenizerFast(vocab={piece: i for i, piece in enumerate(vocabulary)}, model_max_length=64)
    tokenizer.save_pretrained(folder)
    settings: dict[str, Any] = {
        "vocab_size": len(vocabulary),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.1,
        **changes,
    }
    torch.manual_seed(0)
    BertModel(BertConfig(**settings)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_deberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DeBERTa-v2 folder, dropout 0.1 as published."""
    return build_tiny_deberta(tmp_path_factory.mktemp("models") / "tiny-deberta")


@pytest.fixture(scope="session")
def still_deberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without dropout, for tests that compare two ways to train."""
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return build_tiny_deberta(tmp_path_factory.mktemp("models") / "still-deberta", **no_dropout)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT folder, dropout 0.1 as published."""
    return build_tiny_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")


def comment_rows(num: int) -> list[dict[str, Any]]:
    """Return made-up comments whose labels follow from their words, so that even a tiny model can learn them."""
    rows = []
    for i in range(num):
        words = [*SENTENCES[i % len(SENTENCES)].split(), WORDS[(i // len(SENTENCES) + i) % len(WORDS)]]
        flags = [int((i // (k + 2)) % (k + 3) == 0) for k in range(len(LABELS))]
        marked = [WORDS[-12 + k] for k, flag in enumerate(flags) if flag]
        rows.append(
            {
                "id": f"c{i}",
                "comment_text": " ".join([*marked, *words]),
                **dict(zip(LABELS, flags, strict=True)),
            }
        )
    return rows


@pytest.fixture
def write_comments(tmp_path: Path) -> Callable[..., Path]:
    """Write a CSV of made-up comments with the six labels, and return its path."""
    import csv

    def write(num: int = 80, name: str = "comments.csv") -> Path:
        path = tmp_path / name
        rows = comment_rows(num)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write
