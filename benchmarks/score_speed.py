"""How fast comments are scored by the same weights: with transformers.pipeline, Detoxify's way, and with civility.

    python benchmarks/score_speed.py [--model mdeberta minilm] [--rounds 3] [--comments N] [--json FILE]
    python benchmarks/score_speed.py --quick

Comments have the lengths of Jigsaw 2018 and are truncated at 256 tokens by all three; texts go in, scores come out, so
tokenising is counted. *pipeline* takes batches of 16 as the comments come. *detoxify* is PyPI's detoxify 0.5.4: its own
`Detoxify.predict` where the package is installed (`pip install --no-deps detoxify`), around our weights, else the same
lines: the whole list is padded together and goes through the model at once. That takes memory, so N is small.

All must agree to 1e-4, or the command fails; a control says by how much the scores of one comment differ from those of
the next.
"""

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from contest import Meter, Spread, in_rounds, machine, markdown_table, ratios, write_json
from speed_corpus import (
    LABELS,
    MAX_LENGTH,
    ROWS_IN_USE,
    Corpus,
    mdeberta_config,
    number_corpus,
    starter_corpus,
    write_mdeberta,
)

from civility import Classifier
from civility.models.encoder import EncoderScorer, load_classifier_folder, load_encoder
from civility.models.model_source import STARTER_MODEL, quiet_transformers

TOLERANCE = 1e-4
_CORPUS = 20_000
_COMMENTS = {"mdeberta": 64, "minilm": 512}
_QUICK = {"mdeberta": 24, "minilm": 192}
_SPREAD_OF_HEADS = 0.5
"""Deviation of the random weights of a head: with the usual 0.02 all comments would have the same scores."""

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scored:
    """Scores, (N, L) in the order of the labels, and what they took."""

    scores: Scores
    seconds: float
    peak: float


def measured(score: Callable[[list[str]], Scores], texts: list[str], device: str) -> Scored:
    """Score a few comments to warm up, then all of them with the clock running."""
    meter = Meter(device)
    score(texts[:2])
    meter.start()
    scores = score(texts)
    meter.stop()
    return Scored(scores, meter.seconds, meter.peak)


def run_civility(folder: str, texts: list[str], device: str) -> Scored:
    """Score with `Classifier.score`."""
    return measured(Classifier.load(folder).score, texts, device)


def run_pipeline(folder: str, texts: list[str], device: str) -> Scored:
    """Score with the pipeline of transformers, as documented: in batches, truncated at the maximum length."""
    from transformers import pipeline

    with quiet_transformers():
        classify = pipeline("text-classification", model=folder, top_k=None, device=device)

    def score(texts: list[str]) -> Scores:
        given = classify(texts, truncation=True, batch_size=16)
        by_label = [{one["label"]: one["score"] for one in comment} for comment in given]
        return np.array([[scores[label] for label in LABELS] for scores in by_label], dtype=np.float32)

    return measured(score, texts, device)


def run_detoxify(folder: str, texts: list[str], device: str) -> Scored:
    """Score Detoxify's way: all comments in one batch."""
    encoder = load_classifier_folder(folder)
    encoder.model.to(device).eval()
    predict = _installed_detoxify(encoder.model, encoder.tokenizer, device) or _written_out(
        encoder.model, encoder.tokenizer
    )

    def score(texts: list[str]) -> Scores:
        given = predict(texts)
        return np.array([given[label] for label in LABELS], dtype=np.float32).T

    return measured(score, texts, device)


def has_detoxify() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("detoxify") is not None


def _installed_detoxify(model: Any, tokenizer: Any, device: str) -> Any:
    """Return `predict` of a Detoxify around our weights, which its constructor would download; None without it."""
    if not has_detoxify():
        return None
    from detoxify import Detoxify

    detoxify = Detoxify.__new__(Detoxify)
    detoxify.model, detoxify.tokenizer, detoxify.class_names, detoxify.device = model, tokenizer, list(LABELS), device
    return detoxify.predict


def _written_out(model: Any, tokenizer: Any) -> Callable[[list[str]], dict[str, list[float]]]:
    """Return what `Detoxify.predict` does in 0.5.4, in its own few lines."""

    @torch.no_grad()
    def predict(text: list[str]) -> dict[str, list[float]]:
        model.eval()
        inputs = tokenizer(text, return_tensors="pt", truncation=True, padding=True).to(model.device)
        scores = torch.sigmoid(model(**inputs)[0]).cpu()
        return {label: scores[:, i].squeeze().tolist() for i, label in enumerate(LABELS)}

    return predict


def make_classifier(name: str, folder: Path, options: argparse.Namespace) -> Corpus:
    """Write a classifier of this size whose scores differ from comment to comment, and return comments for it."""
    if name == "minilm":
        encoder, corpus = load_encoder(STARTER_MODEL, LABELS), starter_corpus(_CORPUS)
    else:
        write_mdeberta(folder / "random", options.shrink)
        rows = mdeberta_config(options.shrink)["vocab_size"]
        encoder = load_encoder(str(folder / "random"), LABELS)
        corpus = number_corpus(_CORPUS, rows, ROWS_IN_USE // options.shrink)
    with torch.no_grad():
        encoder.model.classifier.weight.normal_(0.0, _SPREAD_OF_HEADS, generator=torch.Generator().manual_seed(0))
    place = folder / "classifier"
    place.mkdir()
    Classifier(EncoderScorer(encoder, MAX_LENGTH)).save(place, "# Of a benchmark: random weights\n")
    return corpus


def choose_texts(corpus: Corpus, num_comments: int) -> list[str]:
    """Return this many comments whose lengths are those of the corpus, evenly spaced in rank, in random order."""
    by_length = np.argsort(corpus.lengths, kind="stable")
    places = ((np.arange(num_comments) + 0.5) * len(by_length) / num_comments).astype(int)
    return [corpus.texts[row] for row in np.random.default_rng(0).permutation(by_length[places])]


def run_contest(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds for a model, print a table and return the numbers."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    num_comments = options.comments or (_QUICK if options.quick else _COMMENTS)[name]
    with tempfile.TemporaryDirectory() as temporary:
        corpus = make_classifier(name, Path(temporary), options)
        texts, folder = choose_texts(corpus, num_comments), str(Path(temporary) / "classifier")
        contestants = {"pipeline": run_pipeline, "detoxify": run_detoxify, "civility": run_civility}
        calls: dict[str, Callable[[], Any]] = {
            key: partial(run, folder, texts, device) for key, run in contestants.items()
        }
        results: dict[str, list[Scored]] = in_rounds(
            calls, options.rounds, lambda line: print(line, file=sys.stderr, flush=True)
        )
    rates = {key: [num_comments / one.seconds for one in given] for key, given in results.items()}
    ours = results["civility"][0].scores
    rows = [
        {
            "contestant": key,
            "comments_per_second": asdict(Spread.of(rates[key])),
            "times_pipeline": asdict(ratios(rates[key], rates["pipeline"])),
            "peak_bytes": max(one.peak for one in given),
            "difference": max(float(np.abs(one.scores - ours).max()) for one in given),
        }
        for key, given in results.items()
    ]
    control = float(np.abs(ours - np.roll(ours, 1, axis=0)).max(axis=1).mean())
    facts = {**machine(device, "fp32"), "detoxify": "installed" if has_detoxify() else "its lines written out"}
    content = {"model": name, "num_comments": num_comments, **facts, "control": control, "contestants": rows}
    show(content, corpus.origin, options)
    return content


def show(content: dict[str, Any], origin: str, options: argparse.Namespace) -> None:
    """Print the result of a model as Markdown."""
    name = content["model"]
    if name == "mdeberta" and options.shrink > 1:
        name += f", widths and vocabulary divided by {options.shrink}"
    facts = ", ".join(f"{key} {value}" for key, value in content.items() if isinstance(value, str))
    print(f"\n## Scoring {content['num_comments']:,} comments, {name}\n\n{facts}; {origin}; rounds: {options.rounds}\n")
    head = ("contestant", "comments/s", "x pipeline", "peak GiB", "differs from civility by")
    cells = [
        [
            row["contestant"],
            Spread(**row["comments_per_second"]).written(2),
            Spread(**row["times_pipeline"]).written(2),
            f"{row['peak_bytes'] / 2**30:.2f}",
            f"{row['difference']:.1e}",
        ]
        for row in content["contestants"]
    ]
    print(markdown_table(head, cells))
    print(f"\nall must agree to {TOLERANCE:.0e}; control: a comment and the next differ by {content['control']:.1e}")


def main() -> None:
    """Run a contest for each model; fail if they disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=("mdeberta", "minilm"), default=["mdeberta", "minilm"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--comments", type=int, help="N: Detoxify's way takes them all at once")
    parser.add_argument("--shrink", type=int, default=1, help="divide mDeBERTa's widths and vocabulary: to try it out")
    parser.add_argument("--quick", action="store_true", help="one round, fewer comments")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    results = [run_contest(name, options) for name in options.model]
    write_json(options.json, results)
    rows = [row for result in results for row in result["contestants"]]
    if not all(row["difference"] <= TOLERANCE for row in rows):
        sys.exit(f"the scores differ by more than {TOLERANCE:.0e}")
    if not all(result["control"] > 10 * TOLERANCE for result in results):
        sys.exit("the scores hardly differ from comment to comment: that they agree says nothing")


if __name__ == "__main__":
    main()
