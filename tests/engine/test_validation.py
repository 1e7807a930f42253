"""Scoring on several processes: every comment exactly once, for any number of comments and processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from civility.engine.devices import start_accelerator
from civility.engine.loss import build_loss
from civility.engine.validation import measure_validation, score_everywhere
from civility.models.batches import Batch
from civility.models.encoder import load_encoder
from civility.models.forward_paths import EagerForward, Forward
from civility.models.tokenizer import tokenise
from civility.scoring.tokens import Tokens

LABELS = ("toxic", "threat")
TEXTS = [f"{'stupid clown' if i % 3 else 'nice garden'} film {'word ' * (i % 7)}" for i in range(30)]

# Each process scores the first N texts for every N, and writes what it got.
WORKER = """
import os, sys
import numpy as np
from civility.models.encoder import load_encoder
from civility.models.forward_paths import EagerForward
from civility.models.tokenizer import tokenise
from civility.engine.devices import start_accelerator
from civility.engine.validation import score_everywhere
model, out, texts = sys.argv[1], sys.argv[2], sys.argv[3].split("|")
accelerator = start_accelerator("cpu", [], None)
encoder = load_encoder(model, ("toxic", "threat"), seed=3)
encoder.model.eval()
found = {}
for num in (1, 2, 3, 7, 30):
    tokens = tokenise(encoder.tokenizer, texts[:num], 32)
    found[str(num)] = score_everywhere(accelerator, EagerForward(encoder.model), tokens, 2, 20)
np.savez(f"{out}/{accelerator.process_index}.npz", **found)
accelerator.end_training()
os._exit(0)  # as civility leaves: the interpreter's own end may abort (civility.cli)
"""


def encoded(model: Path, num: int) -> tuple[Forward, Tokens]:
    encoder = load_encoder(str(model), LABELS, seed=3)
    encoder.model.eval()
    return EagerForward(encoder.model), tokenise(encoder.tokenizer, TEXTS[:num], 32)


@pytest.mark.processes
@pytest.mark.parametrize("num_processes", [2, 3])
def test_scores_on_several_processes_are_those_of_one(tiny_bert: Path, tmp_path: Path, num_processes: int) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_processes)]
    done = subprocess.run(
        [*launcher, str(script), str(tiny_bert), str(tmp_path), "|".join(TEXTS)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [np.load(tmp_path / f"{rank}.npz") for rank in range(num_processes)]
    accelerator = start_accelerator("cpu", [], None)
    # One comment for two or three processes is among them: some have nothing to score.
    for num in (1, 2, 3, 7, 30):
        model, tokens = encoded(tiny_bert, num)
        expected = score_everywhere(accelerator, model, tokens, len(LABELS), 20)
        assert expected.shape == (num, 2)
        for rank in found:
            assert np.array_equal(rank[str(num)], found[0][str(num)]), "every process has them all"
            np.testing.assert_allclose(rank[str(num)], expected, atol=1e-6)
        targets = (np.arange(num)[:, None] % np.array([2, 3]) == 0).astype(np.float32)
        loss = build_loss("bce", np.full(2, 0.5), 1.0)
        ours, theirs = (measure_validation(logits, targets, loss, LABELS) for logits in (found[0][str(num)], expected))
        assert str(ours.roc_auc) == str(theirs.roc_auc)
        assert ours.loss == pytest.approx(theirs.loss, abs=1e-6)
    assert np.abs(expected - expected[::-1]).max() > 1e-3, "the control: rows do differ"


class ShortOfMemory:
    """A forward pass on a device whose memory holds a limited number of comments."""

    def __init__(self, inner: Forward, most: int) -> None:
        self.inner, self.most = inner, most
        self.sizes: list[int] = []

    def __call__(self, batch: Batch) -> torch.Tensor:
        self.sizes.append(len(batch))
        if len(batch) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return self.inner(batch)


def test_a_batch_too_large_for_the_memory_is_scored_in_parts(tiny_bert: Path) -> None:
    accelerator = start_accelerator("cpu", [], None)
    model, tokens = encoded(tiny_bert, 30)
    expected = score_everywhere(accelerator, model, tokens, len(LABELS), 10_000)
    short = ShortOfMemory(model, most=4)
    found = score_everywhere(accelerator, short, tokens, len(LABELS), 10_000)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert max(short.sizes) == 30
    assert sum(size for size in short.sizes if size <= 4) == 30, "each comment once"


def test_a_memory_too_small_for_one_comment_is_an_error(tiny_bert: Path) -> None:
    model, tokens = encoded(tiny_bert, 3)
    with pytest.raises(torch.OutOfMemoryError):
        score_everywhere(start_accelerator("cpu", [], None), ShortOfMemory(model, 0), tokens, len(LABELS), 64)


def test_macro_averages_are_over_the_labels_where_they_are_defined() -> None:
    targets = np.array([[1, 0, 0], [0, 1, 0], [1, np.nan, 0], [0, 0, 0], [0, 1, 0]], dtype=np.float32)
    logits = np.array([[2, 0, 1], [3, 1, 2], [1, 9, 3], [-1, 2, 4], [0, 3, 5]], dtype=np.float32)
    found = measure_validation(logits, targets, build_loss("bce", np.full(3, 0.5), 1.0), ("a", "b", "c"))
    # a: precision 1/2 at the first positive, 2/3 at the second; b: 1 and 2/3; c has no positive.
    assert found.macro_average_precision == pytest.approx(((1 / 2 + 2 / 3) / 2 + (1 + 2 / 3) / 2) / 2)
    assert found.macro_roc_auc == pytest.approx((4 / 6 + 3 / 4) / 2)
    assert np.isnan(found.roc_auc["c"])


def test_a_validation_is_measured_by_the_loss_without_smoothing() -> None:
    targets = np.array([[1, 0], [0, 1]], dtype=np.float32)
    logits = np.array([[2, -1], [0, 3]], dtype=np.float32)
    share = np.full(2, 0.5)
    plain, smooth = (build_loss("bce", share, 1.0, smoothing=some) for some in (0.0, 0.3))
    losses = [measure_validation(logits, targets, one, ("a", "b")).loss for one in (plain, smooth)]
    assert losses[0] == losses[1]
    values = [one.sum(torch.from_numpy(logits), torch.from_numpy(targets)) for one in (plain, smooth)]
    assert values[0] != values[1], "the control: in training it is another"
