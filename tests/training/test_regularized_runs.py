"""With each part of ``[regularization]`` on: resumed to the bit, shared out in any way, with any rows in use."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from civility.engine import loop, step_plan
from civility.engine.checkpoint import load_best_weights, load_checkpoint, save_checkpoint, take_snapshot
from civility.engine.devices import MixedPrecision
from civility.engine.loop import Trainer

from .regularized import PARTS, build, equal, largest_difference, no_validation, raw, steps_of, validated, whole


def trained(folder: Path, part: dict[str, Any], **more: Any) -> Trainer:
    _, some = build(folder, part, **more)
    list(some.run(no_validation))
    return some


@pytest.fixture(scope="module")
def wholes(tiny_bert: Path) -> dict[str, Trainer]:
    """Each part on, trained without an interruption, of the embedding the rows in use."""
    return {name: trained(tiny_bert, part, in_use=True) for name, part in {**PARTS, "none": {}}.items()}


@pytest.mark.parametrize("name", PARTS)
def test_each_part_changes_what_is_kept(wholes: dict[str, Trainer], name: str) -> None:
    if name in ("ema", "swa"):
        assert equal(raw(wholes[name]), raw(wholes["none"])), "an average is a guest"
    one, other = (whole(wholes[each], validated(wholes[each])) for each in (name, "none"))
    assert largest_difference(one, other) > 1e-4


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("stop_after", [1, 4, 6])
def test_a_run_entered_again_ends_with_the_same_weights(
    tiny_bert: Path, tmp_path: Path, wholes: dict[str, Trainer], name: str, stop_after: int
) -> None:
    _, first = build(tiny_bert, PARTS[name], in_use=True)
    steps = steps_of(first)
    for _ in range(stop_after):
        next(steps)
    snapshot = take_snapshot(first.model, first.optimizer, None, first.progress, average=first.average).copied()
    next(steps)  # what a copy is of stays
    save_checkpoint(tmp_path / "half", snapshot)
    _, second = build(tiny_bert, PARTS[name], in_use=True)
    second.progress = load_checkpoint(tmp_path / "half", second.model, second.optimizer, None, second.average)
    list(second.run(no_validation))
    assert equal(raw(second), raw(wholes[name]))
    assert equal(validated(second), validated(wholes[name]))


@pytest.mark.parametrize("name", ["r_drop", "fgm", "unfreezing", "ema"])
def test_the_control_with_dropout_from_another_place_the_weights_differ(
    tiny_bert: Path, wholes: dict[str, Trainer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = step_plan.step_seed
    monkeypatch.setattr(loop, "step_seed", lambda seed, epoch, step, rank: right(seed, epoch, step + 1, rank))
    assert not equal(validated(trained(tiny_bert, PARTS[name], in_use=True)), validated(wholes[name]))


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_the_control_an_average_that_is_forgotten_ends_otherwise(
    tiny_bert: Path, tmp_path: Path, wholes: dict[str, Trainer], name: str
) -> None:
    _, first = build(tiny_bert, PARTS[name], in_use=True)
    for num, _ in enumerate(steps_of(first), start=1):
        if num == 6:
            break
    save_checkpoint(tmp_path / "half", take_snapshot(first.model, first.optimizer, None, first.progress))
    _, second = build(tiny_bert, PARTS[name], in_use=True)
    second.progress = load_checkpoint(tmp_path / "half", second.model, second.optimizer, None, second.average)
    list(second.run(no_validation))
    assert equal(raw(second), raw(wholes[name]))
    assert not equal(validated(second), validated(wholes[name]))


def test_a_checkpoint_has_both_weights_and_the_best_ones_are_the_averaged(tiny_bert: Path, tmp_path: Path) -> None:
    some = trained(tiny_bert, PARTS["ema"], in_use=True)
    folder = tmp_path / "step"
    save_checkpoint(folder, take_snapshot(some.model, some.optimizer, None, some.progress, average=some.average))
    assert (folder / "average.safetensors").is_file()
    _, other = build(tiny_bert, {}, in_use=True)
    load_best_weights(folder, other.model)
    assert equal(raw(other), validated(some))
    assert largest_difference(raw(some), validated(some)) > 1e-4, "the control"
    late = build(tiny_bert, {"average": "swa"}, in_use=True)[1]
    save_checkpoint(
        tmp_path / "early", take_snapshot(late.model, late.optimizer, None, late.progress, average=late.average)
    )
    assert not (tmp_path / "early" / "average.safetensors").exists(), "an average that has not begun is not there"
    load_checkpoint(tmp_path / "early", other.model, other.optimizer, None, some.average)
    assert some.average is not None
    assert some.average.weights() == {}


def test_a_validation_in_between_sees_the_average_and_disturbs_nothing(
    tiny_bert: Path, wholes: dict[str, Trainer]
) -> None:
    _, some = build(tiny_bert, PARTS["ema"], in_use=True)
    seen = []

    def validate() -> Any:
        seen.append(raw(some))
        torch.rand(100)
        return no_validation()

    list(some.run(validate))
    assert equal(raw(some), raw(wholes["ema"]))
    assert equal(seen[-1], validated(wholes["ema"]))


@pytest.mark.parametrize("name", PARTS)
def test_micro_batches_change_nothing_but_rounding(still_deberta: Path, name: str) -> None:
    one, four = (trained(still_deberta, PARTS[name], accumulation=num) for num in (1, 4))
    assert largest_difference(validated(one), validated(four)) < 1e-5
    other = trained(still_deberta, PARTS[name], batch_size=4)
    assert largest_difference(validated(one), validated(other)) > 1e-3, "the control: smaller steps"


@pytest.mark.parametrize("name", PARTS)
def test_the_rows_in_use_end_as_all_of_them_do(still_deberta: Path, name: str) -> None:
    found = []
    for in_use in (False, True):
        some = trained(still_deberta, PARTS[name], in_use=in_use, decay=0.5)
        found.append(whole(some, validated(some)))
    assert largest_difference(*found) < 1e-5
    words = "deberta.embeddings.word_embeddings.weight"
    _, some = build(still_deberta, PARTS[name], in_use=True, decay=0.5)
    list(some.run(no_validation))
    extra = "deberta.embeddings.word_embeddings._extra_state"
    undecayed = whole(some, {**validated(some), extra: torch.ones(1, dtype=torch.float64)})
    assert (undecayed[words] - found[0][words]).abs().max() > 1e-5, "the control: rows out of use have decayed"


@pytest.mark.parametrize("name", [name for name in PARTS if name != "fgm"])
def test_texts_side_by_side_train_as_padded_ones(still_deberta: Path, name: str) -> None:
    one, other = (trained(still_deberta, PARTS[name], packed=packed) for packed in (False, True))
    assert largest_difference(validated(one), validated(other)) < 2e-4


def test_out_of_memory_in_the_second_pass_begins_the_step_again(still_deberta: Path) -> None:
    plain, short = (build(still_deberta, {**PARTS["fgm"], "adversarial_start": 0.0})[1] for _ in range(2))
    list(plain.run(no_validation))
    calls: list[int] = []

    def refuse(module: Any, arguments: Any, named: dict[str, torch.Tensor]) -> None:
        calls.append(len(named["input_ids"]))
        if len(calls) == 4:  # the second pass of the second step
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")

    short.model.register_forward_pre_hook(refuse, with_kwargs=True)
    sizes = [event.batch_size for event in steps_of(short)]
    assert sizes == [8, *[4] * 7]
    assert largest_difference(raw(plain), raw(short)) < 1e-5


def test_out_of_memory_for_the_copy_begins_the_step_again(still_deberta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, short = (build(still_deberta, PARTS["fgm"])[1] for _ in range(2))
    list(plain.run(no_validation))
    adversary = short.regularizers.adversary
    assert adversary is not None
    right = type(adversary)._move
    refused: list[bool] = []

    def refuse(self: Any) -> None:
        if not refused:
            refused.append(True)
            with torch.no_grad():
                self.table.add_(1)  # in the middle of the move
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        right(self)

    monkeypatch.setattr(type(adversary), "_move", refuse)
    sizes = [event.batch_size for event in steps_of(short)]
    assert sizes == [8, 8, *[4] * 6]
    assert largest_difference(raw(plain), raw(short)) < 1e-5


def test_steps_that_overflow_are_not_averaged_and_have_no_second_pass(still_deberta: Path) -> None:
    part = {**PARTS["ema"], "adversarial": "fgm"}
    scaled = MixedPrecision("fp32", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=2.0**-80))
    _, some = build(still_deberta, part, in_use=True, precision=scaled)
    passes: list[int] = []
    some.model.register_forward_pre_hook(lambda module, arguments: passes.append(1))
    before, skipped = raw(some), []
    for event in steps_of(some):
        skipped.append(event.skipped)
        if event.skipped:
            assert equal(raw(some), before)
        before = raw(some)
    assert 0 < sum(skipped) < len(skipped)
    assert some.average is not None
    assert some.average.state() == {"num_seen": len(skipped) - sum(skipped)}
    assert len(passes) == 2 * len(skipped) - sum(skipped)


def test_scaled_gradients_move_weights_as_plain_ones_do(still_deberta: Path) -> None:
    scaled = MixedPrecision("fp32", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**10))
    plain, other = (trained(still_deberta, PARTS["fgm"], precision=how) for how in (None, scaled))
    assert largest_difference(raw(plain), raw(other)) < 1e-5


def test_layers_unfreeze_in_the_loop_and_frozen_ones_have_no_gradient(tiny_bert: Path) -> None:
    _, some = build(tiny_bert, {"unfreeze_fraction": 0.75}, in_use=True, warmup=0.0)
    names = {id(parameter): name for name, parameter in some.model.named_parameters()}
    before, moved = raw(some), []
    for _ in steps_of(some):
        after = raw(some)
        moved.append({name for name in names.values() if not torch.equal(after[name], before[name])})
        before = after
    head = {name for name in names.values() if name.startswith(("classifier.", "bert.pooler."))}
    top, low = ({name for name in names.values() if f".layer.{num}." in name} for num in (1, 0))
    # Six steps for three groups: each waits two; the key's bias has no gradient except for rounding.
    quiet = {name for name in names.values() if name.endswith("key.bias")}
    for step, expected in enumerate([head, head, head | top, head | top, head | top | low, head | top | low]):
        assert expected - quiet <= moved[step] <= expected, step
    assert set(names.values()) - quiet <= moved[6]
    assert some.vocabulary is not None
    rates = [some.plan.schedule.learning_rate(step) for step in (6, 7)]
    assert some.vocabulary.get_extra_state().item() == pytest.approx(float(np.prod([1 - 0.1 * r for r in rates])))


def test_frozen_layers_never_unfreeze(tiny_bert: Path) -> None:
    _, some = build(tiny_bert, {"unfreeze_fraction": 0.5}, freeze_layers=1)
    before = raw(some)
    list(some.run(no_validation))
    after = raw(some)
    still = {name for name in after if torch.equal(after[name], before[name])}
    assert {name for name in after if ".layer.0." in name or ".embeddings." in name} <= still
    assert "bert.encoder.layer.1.output.dense.weight" not in still
