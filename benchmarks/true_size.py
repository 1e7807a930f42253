"""A few steps of the `baseline` recipe on a model of mDeBERTa-v3-base's true size, with random weights.

    python benchmarks/true_size.py [--comments 48] [--out DIR] [--json FILE] [--checkpoint-minutes 5]

Its real weights come from a model hub; speed and memory do not depend on their values. The tokenizer is a small
sentencepiece model trained on the built-in corpus, the embedding has mDeBERTa's 251,000 rows. Comments are the
built-in corpus, repeated to the length of Jigsaw's (about 65 to 80 tokens on average at a maximum of 256).
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from civility.data.dialects import LABELS
from civility.data.starter import starter_corpus
from civility.render.sentences.plan_sentences import device_words
from civility.run import RunDirectory

CONFIG = {
    "vocab_size": 251_000,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "max_relative_positions": -1,
    "position_buckets": 256,
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "pooler_hidden_size": 768,
    "pooler_hidden_act": "gelu",
    "pooler_dropout": 0.0,
    "layer_norm_eps": 1e-7,
    "pad_token_id": 0,
}


def write_model(folder: Path) -> None:
    """Write a random model of true size with a small sentencepiece tokenizer."""
    import sentencepiece
    import torch
    from transformers import DebertaV2Config, DebertaV2Model

    folder.mkdir(parents=True)
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(starter_corpus("train").texts), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "spm"),
        vocab_size=2_000,
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
    )
    corpus.unlink()
    tokenizer = {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": False, "vocab_type": "spm"}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    torch.manual_seed(0)
    # In float16, as the published checkpoint is likely to be: loading has to give float32 all the same.
    DebertaV2Model(DebertaV2Config(**CONFIG)).half().save_pretrained(folder)


def write_comments(path: Path, num_comments: int) -> None:
    """Write comments of about Jigsaw's length: two or more of the built-in corpus joined."""
    corpus = starter_corpus("train")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "comment_text", *LABELS])
        for i in range(num_comments):
            rows = [(i * 7 + k * 911) % len(corpus) for k in range(1 + i % 7)]
            marks = corpus.targets[rows].max(axis=0).astype(int)
            marks = [int(mark or i % 11 == k) for k, mark in enumerate(marks)]
            writer.writerow([i, " ".join(corpus.texts[row] for row in rows), *marks])


def main() -> None:
    """Train as the command line does, and print what the run says of itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=48)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--checkpoint-minutes", default="5", help="see training.checkpoint_minutes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model")
        write_comments(folder / "train.csv", options.comments)
        out = options.out or folder / "run"
        command = [sys.executable, "-m", "civility", "train", "baseline", "--data", str(folder / "train.csv")]
        command += ["--validation", str(folder / "train.csv"), "--model", str(folder / "model"), "--out", str(out)]
        command += ["--set", "training.epochs=1", "--set", "training.log_every=1"]
        command += ["--set", f"training.checkpoint_minutes={options.checkpoint_minutes}"]
        started = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - started
        run = RunDirectory(out)
        facts, steps = run.environment(), [line for line in run.read_metrics() if line["kind"] == "step"]
        seconds_of = {kind: [t["seconds"] for t in run.read_timing() if t["kind"] == kind] for kind in ("step", "save")}
    result = {
        "precision": facts.precision,
        "device": device_words(facts.device) if facts.device else "",
        "steps": len(steps),
        "seconds_per_step": sum(seconds_of["step"][1:]) / max(1, len(steps) - 1),
        "waited_for_saves": sum(seconds_of["save"]),
        "tokens_per_comment": sum(step["num_tokens"] for step in steps) / options.comments,
        "whole_command_seconds": seconds,
        "peak_gib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
    }
    for key, value in result.items():
        print(f"{key:<24} {value if isinstance(value, str | int) else round(value, 2)}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
