"""A step tried before a run finds what would end it, and leaves no trace."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from civility.engine.devices import MixedPrecision
from civility.engine.loop import Trainer
from civility.engine.trial_step import try_padding, try_step
from civility.models.batches import Batch
from civility.models.tokenizer import tokenise
from civility.scoring.tokens import Tokens

from .test_loop import run, trainer, weights


def _empty(model: Path) -> Tokens:
    return tokenise(AutoTokenizer.from_pretrained(model), [""], 32)


class _Changed:
    """A way through the model whose logits are changed."""

    name = "changed"

    def __init__(self, some: Trainer, change: Any) -> None:
        self._forward, self._change = some.forward, change

    def __call__(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self._change(self._forward(batch), batch)
        return logits

    def num_computed(self, batch: Batch) -> int:
        return self._forward.num_computed(batch)

    def undo(self) -> None:
        self._forward.undo()


@pytest.mark.parametrize("model", ["tiny_bert", "tiny_deberta"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_trial_leaves_no_trace(model: str, precision: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(model)
    tried, control = (trainer(folder, epochs=1, precision=MixedPrecision.of(precision, "cpu")) for _ in range(2))
    before, random = weights(tried), torch.get_rng_state()
    mode = tried.model.training
    step = try_step(tried)
    assert (step.num_comments, step.trouble) == (4, "")
    assert step.num_tokens == tried.data.tokens.lengths.max()
    padding = try_padding(tried, _empty(folder))
    assert max(padding.difference, padding.short_difference) < 1e-3
    assert torch.equal(torch.get_rng_state(), random)
    assert tried.model.training == mode
    assert all(parameter.grad is None for parameter in tried.model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(tried).items())
    run(tried), run(control)
    after = weights(control)
    assert all(torch.equal(tensor, after[name]) for name, tensor in weights(tried).items()), "bit by bit"


def test_a_loss_that_is_not_finite_is_found(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)
    with torch.no_grad():
        some.model.classifier.weight[0, 0] = torch.nan
    assert try_step(some).trouble == "the loss is nan"
    assert try_step(some).remedy_precision == ""


def test_a_gradient_that_is_not_finite_is_found(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)
    some.model.classifier.weight.register_hook(lambda gradient: gradient * torch.inf)
    assert try_step(some).trouble == "a gradient is not finite"


def test_what_overflows_in_bf16_alone_names_the_remedy(tiny_bert: Path) -> None:
    some = trainer(tiny_bert, precision=MixedPrecision.of("bf16", "cpu"))
    some.forward = _Changed(some, lambda logits, batch: logits * (torch.nan if logits.dtype == torch.bfloat16 else 1))
    found = try_step(some)
    assert (found.trouble, found.remedy_precision) == ("the loss is nan", "fp32")
    assert some.precision.name == "bf16"


def test_an_error_of_the_model_is_reported_in_its_words(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)

    def fail(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        raise IndexError("index out of range in self")

    some.forward = _Changed(some, fail)
    assert try_step(some).trouble == "IndexError: index out of range in self"
    assert try_padding(some, _empty(tiny_bert)).trouble == "IndexError: index out of range in self"


def test_too_little_memory_is_not_a_fault_of_the_model(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)

    def fail(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        raise torch.OutOfMemoryError("out of memory")

    some.forward = _Changed(some, fail)
    assert try_step(some).short_of_memory
    assert try_padding(some, _empty(tiny_bert)).trouble == ""


def test_logits_that_hang_on_the_texts_beside_are_found(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)
    some.forward = _Changed(some, lambda logits, batch: logits + 0.1 * max(batch.lengths))
    found = try_padding(some, _empty(tiny_bert))
    assert found.difference > 0.1
    assert found.short_difference > found.difference


def test_padding_near_the_text_is_seen_in_the_shortest(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)

    def leak(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        short = torch.tensor([[length <= 3 < max(batch.lengths)] for length in batch.lengths])
        return logits + short

    some.forward = _Changed(some, leak)
    found = try_padding(some, _empty(tiny_bert))
    assert found.difference < 1e-3
    assert found.short_difference > 0.1


def test_logits_that_are_all_zero_do_not_differ(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)
    some.forward = _Changed(some, lambda logits, batch: logits * 0)
    assert try_padding(some, _empty(tiny_bert)).difference == 0.0


def test_comments_without_a_known_target_are_not_tried(tiny_bert: Path) -> None:
    some = trainer(tiny_bert, np.full((30, 2), np.nan, dtype=np.float32))
    assert try_step(some).num_comments == 0
