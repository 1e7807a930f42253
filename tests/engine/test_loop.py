"""The loop: facts in order, unknown targets without effect, and a run that can be entered at any step."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from civility.documents.checkpoint_state import Progress
from civility.engine import loop, step_plan
from civility.engine.checkpoint import load_checkpoint, save_checkpoint, take_snapshot
from civility.engine.devices import MixedPrecision, start_accelerator
from civility.engine.loop import Trainer, TrainingData, TrainingPlan
from civility.engine.loss import build_loss, positive_share
from civility.engine.optimizer import build_adamw
from civility.engine.progress import EpochDone, NotFinite, StepDone, Validation
from civility.engine.step_plan import BatchShape
from civility.engine.validation import score_everywhere
from civility.models.encoder import load_encoder
from civility.models.forward_paths import EagerForward
from civility.models.tokenizer import tokenise

from ..refusals import refused
from ..schedules import linear_schedule

LABELS = ("toxic", "threat")
TEXTS = [f"{'stupid clown' if i % 3 else 'nice garden'} film {'word ' * (i % 7)}" for i in range(30)]
TARGETS = np.array([[i % 3 > 0, i % 5 == 0] for i in range(30)], dtype=np.float32)


def trainer(
    model: Path,
    targets: Any = TARGETS,
    *,
    accumulation: int = 1,
    rate: float = 1e-3,
    epochs: int = 2,
    precision: MixedPrecision | None = None,
) -> Trainer:
    encoder = load_encoder(str(model), LABELS, seed=3)
    accelerator = start_accelerator("cpu", [], None)
    shape = BatchShape.of(8 // accumulation, accumulation)
    optimizer = build_adamw(encoder.model, weight_decay=0.01, betas=(0.9, 0.999), epsilon=1e-8)
    plan = TrainingPlan(
        epochs=epochs,
        schedule=linear_schedule(rate, 0.1, epochs * shape.num_steps(len(TEXTS))),
        max_gradient_norm=1.0,
        seed=5,
        group_by_length=True,
    )
    loss = build_loss("weighted_bce", positive_share(TARGETS), 1.0)
    data = TrainingData(tokenise(encoder.tokenizer, TEXTS, 32), targets)
    return Trainer(
        accelerator,
        encoder.model,
        EagerForward(encoder.model),
        optimizer,
        precision or MixedPrecision.of("fp32", "cpu"),
        data,
        loss,
        plan,
        shape,
    )


def no_validation() -> Validation:
    return Validation(0.0, dict.fromkeys(LABELS, 0.5), 0.5)


def run(some: Trainer) -> list[StepDone | EpochDone]:
    return list(some.run(no_validation))


def weights(some: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in some.model.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_facts_come_in_order(tiny_bert: Path) -> None:
    facts = run(trainer(tiny_bert))
    assert [type(fact) for fact in facts] == [*[StepDone] * 4, EpochDone] * 2
    steps = [fact for fact in facts if isinstance(fact, StepDone)]
    assert [fact.step for fact in steps] == list(range(1, 9))
    assert [fact.num_comments for fact in steps[:4]].count(8) == 3
    assert sum(fact.num_comments for fact in steps[:4]) == 30
    assert all(fact.num_tokens <= fact.num_padded for fact in steps)
    epoch = next(fact for fact in facts if isinstance(fact, EpochDone))
    mean = sum(fact.loss * fact.num_comments for fact in steps[:4]) / 30
    assert epoch.training_loss == pytest.approx(mean)


def test_unknown_targets_do_not_move_the_weights(tiny_bert: Path) -> None:
    some = TARGETS.copy()
    some[::2, 1] = np.nan
    trained = trainer(tiny_bert, some)
    run(trained)
    # A head row whose label is never known gets no gradient: it only decays.
    never = TARGETS.copy()
    never[:, 1] = np.nan
    other = trainer(tiny_bert, never)
    before = other.model.classifier.weight.detach().clone()
    run(other)
    decay = np.prod([1 - other.plan.schedule.learning_rate(step) * 0.01 for step in range(8)])
    after = other.model.classifier.weight.detach()
    torch.testing.assert_close(after[1], before[1] * decay, rtol=1e-5, atol=1e-8)
    assert (after[0] - before[0] * decay).abs().max() > 1e-4, "the control: a known label does move"
    assert not equal(weights(trained), weights(other))


def test_a_step_of_unknown_targets_alone_changes_nothing_but_by_decay(tiny_bert: Path) -> None:
    trained = trainer(tiny_bert, np.full_like(TARGETS, np.nan))
    facts = run(trained)
    assert all(np.isnan(fact.loss) for fact in facts if isinstance(fact, StepDone))
    assert all(torch.isfinite(tensor).all() for tensor in weights(trained).values())


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("stop_after", [1, 3, 4, 6])
def test_a_run_entered_again_ends_with_the_same_weights(
    tiny_bert: Path, tmp_path: Path, stop_after: int, accumulation: int
) -> None:
    whole = trainer(tiny_bert, accumulation=accumulation)
    facts = run(whole)
    first = trainer(tiny_bert, accumulation=accumulation)
    for num, _ in enumerate(steps_of(first), start=1):
        if num == stop_after:
            break
    save_checkpoint(tmp_path / "half", take_snapshot(first.model, first.optimizer, None, first.progress))
    second = trainer(tiny_bert, accumulation=accumulation)
    second.progress = load_checkpoint(tmp_path / "half", second.model, second.optimizer, None)
    rest = run(second)
    assert equal(weights(whole), weights(second))
    last, again = facts[-1], rest[-1]
    assert isinstance(last, EpochDone)
    assert isinstance(again, EpochDone)
    assert last.training_loss == again.training_loss


def drawing(some: Trainer, power: float | None = 0.5) -> Trainer:
    some.plan = replace(some.plan, sampling_power=power)
    return some


@pytest.mark.parametrize("stop_after", [2, 4, 6])
def test_a_run_of_drawn_comments_entered_again_ends_with_the_same_weights(
    tiny_bert: Path, tmp_path: Path, stop_after: int
) -> None:
    whole = drawing(trainer(tiny_bert))
    run(whole)
    first = drawing(trainer(tiny_bert))
    for num, _ in enumerate(steps_of(first), start=1):
        if num == stop_after:
            break
    save_checkpoint(tmp_path / "half", take_snapshot(first.model, first.optimizer, None, first.progress))
    # In other micro-batches there would be other dropout, so these are as before.
    second = drawing(trainer(tiny_bert))
    second.progress = load_checkpoint(tmp_path / "half", second.model, second.optimizer, None)
    run(second)
    assert equal(weights(whole), weights(second))
    for other in (drawing(trainer(tiny_bert), power=1.0), trainer(tiny_bert)):
        run(other)
        assert not equal(weights(whole), weights(other)), "the control: what is drawn makes a difference"


def steps_of(some: Trainer) -> Iterator[StepDone]:
    return (fact for fact in some.run(no_validation) if isinstance(fact, StepDone))


def test_the_control_with_dropout_from_another_place_the_weights_differ(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer(tiny_bert)
    run(whole)
    right = step_plan.step_seed
    monkeypatch.setattr(loop, "step_seed", lambda seed, epoch, step, rank: right(seed, epoch, step + 1, rank))
    other = trainer(tiny_bert)
    run(other)
    assert not equal(weights(whole), weights(other))


def test_evaluating_in_between_does_not_disturb_a_run(tiny_bert: Path) -> None:
    plain, disturbed = trainer(tiny_bert), trainer(tiny_bert)
    run(plain)

    def validate() -> Validation:
        torch.rand(1000)
        score_everywhere(disturbed.accelerator, disturbed.forward, disturbed.data.tokens, len(LABELS), 64)
        return no_validation()

    list(disturbed.run(validate))
    assert equal(weights(plain), weights(disturbed))


def test_a_loss_that_is_not_finite_stops_the_run(tiny_bert: Path) -> None:
    broken = trainer(tiny_bert)
    with torch.no_grad():
        broken.model.classifier.bias.fill_(torch.inf)
    with refused(
        "engine.not-finite", r"step 1: the loss is (inf|nan): training stopped\nlower training\.learning_rate"
    ):
        run(broken)


def test_scores_are_placed_by_row(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)
    some.model.eval()
    together = score_everywhere(some.accelerator, some.forward, some.data.tokens, len(LABELS), 10_000)
    apart = score_everywhere(some.accelerator, some.forward, some.data.tokens, len(LABELS), 1)
    np.testing.assert_allclose(together, apart, atol=1e-5)
    assert np.abs(together - together[::-1]).max() > 1e-3, "the control: rows do differ"


def test_a_step_whose_gradients_overflow_is_skipped_and_reported(tiny_bert: Path) -> None:
    # A scale of 2 ** 127 times the loss is more than float32 holds: as an overflow in fp16 is.
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=2.0**-20)
    some = trainer(tiny_bert, rate=1e-2, precision=MixedPrecision("fp16", "cpu", scaler))
    before = weights(some)
    facts = steps_of(some)
    first = next(facts)
    assert first.skipped
    assert equal(weights(some), before)
    later = list(facts)
    assert not later[-1].skipped, "the control: at a lower scale the step is taken"
    assert not equal(weights(some), before)


def test_a_run_that_only_overflows_is_stopped(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_MOST_SKIPPED_IN_A_ROW", 3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=1.0 - 1e-9)
    some = trainer(tiny_bert, precision=MixedPrecision("fp16", "cpu", scaler))
    with refused("engine.not-finite", r"step 4: the gradient norm at the lowest scale is (inf|nan)"):
        run(some)


def test_the_comments_whose_scores_are_not_finite_are_found(tiny_bert: Path) -> None:
    broken = trainer(tiny_bert)
    rows = [row for row, text in enumerate(TEXTS) if "nice" in text]
    word = int(broken.data.tokens.ids[broken.data.tokens.offsets[rows[0]] + 1])
    with torch.no_grad():
        broken.model.get_input_embeddings().weight[word] = torch.nan
    first = step_plan.epoch_order(broken.data.tokens.lengths, broken.shape.global_size, 5, 0, True)[0]
    with pytest.raises(NotFinite) as stop:
        run(broken)
    assert stop.value.step == 1
    assert set(stop.value.rows) == set(rows) & set(first.tolist()), "and no others"
    assert stop.value.narrowed
    assert broken.progress == Progress(), "the weights and the place are those before the step"


def test_a_gradient_that_is_not_finite_names_all_comments_of_the_step(tiny_bert: Path) -> None:
    broken = trainer(tiny_bert)
    broken.model.classifier.bias.register_hook(lambda gradient: gradient * torch.inf)
    first = step_plan.epoch_order(broken.data.tokens.lengths, broken.shape.global_size, 5, 0, True)[0]
    with pytest.raises(NotFinite, match=r"step 1: the gradient norm is (inf|nan)") as stop:
        run(broken)
    assert sorted(stop.value.rows) == sorted(first.tolist())
    assert not stop.value.narrowed


def short_of_memory(some: Trainer, most: int) -> list[int]:
    """Let the model run out of memory above a number of comments; return the sizes that it is given."""
    sizes: list[int] = []

    def refuse(module: Any, arguments: Any, named: dict[str, torch.Tensor]) -> None:
        sizes.append(len(named["input_ids"]))
        if sizes[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")

    some.model.register_forward_pre_hook(refuse, with_kwargs=True)
    return sizes


def test_out_of_memory_halves_the_micro_batch_and_repeats_the_step(still_deberta: Path) -> None:
    plain, short = trainer(still_deberta), trainer(still_deberta)
    sizes = short_of_memory(short, 3)
    expected, facts = run(plain), run(short)
    used = [fact.batch_size for fact in facts if isinstance(fact, StepDone)]
    # The first step is the short one, of 6 comments: shared out in two threes, it fits at 4.
    assert used == [4, *[2] * 7]
    assert sum(size > 3 for size in sizes) == 2, "asked once too much at 8, and at 4"
    for ours, theirs in zip(facts, expected, strict=True):
        if isinstance(ours, StepDone) and isinstance(theirs, StepDone):
            assert (ours.num_comments, ours.learning_rate) == (theirs.num_comments, theirs.learning_rate)
            assert ours.loss == pytest.approx(theirs.loss, abs=1e-6)
    first, second = weights(plain), weights(short)
    assert max((first[name] - second[name]).abs().max().item() for name in first) < 1e-6


def test_the_control_a_smaller_global_batch_ends_otherwise(still_deberta: Path) -> None:
    plain, other = trainer(still_deberta), trainer(still_deberta)
    other.shape = BatchShape(2, 4)
    run(plain)
    run(other)
    first, second = weights(plain), weights(other)
    assert max((first[name] - second[name]).abs().max().item() for name in first) > 1e-4


def test_a_step_that_runs_out_of_memory_in_its_last_micro_batch_counts_nothing_twice(still_deberta: Path) -> None:
    plain, short = trainer(still_deberta, accumulation=2), trainer(still_deberta, accumulation=2)
    calls: list[int] = []

    def refuse(module: Any, arguments: Any, named: dict[str, torch.Tensor]) -> None:
        calls.append(len(named["input_ids"]))
        if len(calls) == 2:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory")

    short.model.register_forward_pre_hook(refuse, with_kwargs=True)
    run(plain)
    run(short)
    first, second = weights(plain), weights(short)
    assert max((first[name] - second[name]).abs().max().item() for name in first) < 1e-6


def test_too_little_memory_for_a_single_comment_is_refused(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)
    before = weights(some)
    short_of_memory(some, 0)
    with refused("engine.out-of-memory", "step 1: the memory is too small to train on a single comment"):
        run(some)
    assert equal(weights(some), before)


def test_any_other_error_is_not_mistaken_for_out_of_memory(tiny_bert: Path) -> None:
    some = trainer(tiny_bert)

    def fail(module: Any, arguments: Any) -> None:
        raise RuntimeError("device-side assert triggered")

    some.model.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="device-side assert"):
        run(some)
