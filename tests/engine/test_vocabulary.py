"""Training the rows in use ends with the model that training all of them ends with, to rounding."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from civility.engine.checkpoint import load_checkpoint, save_checkpoint, take_snapshot
from civility.engine.devices import MixedPrecision, start_accelerator
from civility.engine.loop import Trainer, TrainingData, TrainingPlan
from civility.engine.loss import build_loss, positive_share
from civility.engine.optimizer import build_adamw
from civility.engine.parameter_groups import DecayOn
from civility.engine.progress import StepDone, Validation
from civility.engine.step_plan import BatchShape
from civility.models.encoder import Encoder, load_encoder
from civility.models.forward_paths import EagerForward
from civility.models.tokenizer import tokenise
from civility.models.vocabulary import give_back_whole, ids_in_use, keep_in_use

from ..conftest import build_tiny_deberta
from ..schedules import linear_schedule

LABELS = ("toxic", "threat")
TEXTS = [f"{'stupid clown' if i % 3 else 'nice garden'} film {'fool ' * (i % 7)}" for i in range(30)]
TARGETS = np.array([[i % 3 > 0, i % 5 == 0] for i in range(30)], dtype=np.float32)


def build(
    folder: Path,
    *,
    in_use: bool,
    decay: float = 0.1,
    accumulation: int = 1,
    norm: float = 1.0,
    precision: MixedPrecision | None = None,
    decay_on: DecayOn = "all",
    layer_decay: float = 1.0,
) -> tuple[Encoder, Trainer]:
    encoder = load_encoder(str(folder), LABELS, seed=3)
    tokens = tokenise(encoder.tokenizer, TEXTS, 32)
    vocabulary = keep_in_use(encoder.model, ids_in_use(tokens)) if in_use else None
    assert vocabulary is None or vocabulary.num_used < vocabulary.num_embeddings / 2
    shape = BatchShape.of(8 // accumulation, accumulation)
    some = Trainer(
        start_accelerator("cpu", [], None),
        encoder.model,
        EagerForward(encoder.model),
        build_adamw(
            encoder.model,
            weight_decay=decay,
            betas=(0.9, 0.999),
            epsilon=1e-8,
            decay_on=decay_on,
            layer_decay=layer_decay,
        ),
        precision or MixedPrecision.of("fp32", "cpu"),
        TrainingData(tokens, TARGETS),
        build_loss("weighted_bce", positive_share(TARGETS), 1.0),
        TrainingPlan(
            epochs=2,
            schedule=linear_schedule(1e-2, 0.1, 2 * shape.num_steps(len(TEXTS))),
            max_gradient_norm=norm,
            seed=5,
            group_by_length=True,
        ),
        shape,
        vocabulary=vocabulary,
    )
    return encoder, some


def no_validation() -> Validation:
    return Validation(0.0, dict.fromkeys(LABELS, 0.5), 0.5)


def whole_weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    """Return all weights, of every row of the token embedding, leaving the encoder as it is."""
    model = copy.deepcopy(encoder.model)
    give_back_whole(model)
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def largest_difference(some: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert some.keys() == other.keys()
    return max((some[name] - other[name]).abs().max().item() for name in some)


def trained(folder: Path, **changes: Any) -> dict[str, torch.Tensor]:
    encoder, some = build(folder, **changes)
    list(some.run(no_validation))
    return whole_weights(encoder)


CASES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no decay": {"decay": 0.0},
    "much decay": {"decay": 0.5},
    "clipped": {"norm": 0.01},
    "accumulated": {"accumulation": 4},
    "in groups": {"decay": 0.5, "decay_on": "matrices", "layer_decay": 0.5},
}


@pytest.mark.parametrize("fixture", ["tiny_bert", "still_deberta"])
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_the_same_model_is_trained(fixture: str, changes: dict[str, Any], request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(fixture)
    long_way = trained(folder, in_use=False, **changes)
    short_way = trained(folder, in_use=True, **changes)
    assert largest_difference(short_way, long_way) < 2e-6
    fresh = whole_weights(build(folder, in_use=False)[0])
    assert largest_difference(fresh, long_way) > 1e-2, "the control: it does train"


def test_each_group_learns_at_its_share_of_the_rate(tiny_bert: Path) -> None:
    _, some = build(tiny_bert, in_use=True, layer_decay=0.5)
    for fact in some.run(no_validation):
        if isinstance(fact, StepDone):
            rates = {group["lr_scale"]: group["lr"] for group in some.optimizer.param_groups}
            assert rates == {scale: scale * fact.learning_rate for scale in (1.0, 0.5, 0.25, 0.125)}


def test_the_control_rows_out_of_use_are_not_left_as_they_were(still_deberta: Path) -> None:
    long_way = trained(still_deberta, in_use=False)
    encoder, some = build(still_deberta, in_use=True)
    list(some.run(no_validation))
    encoder.model.get_input_embeddings().set_extra_state(torch.tensor([1.0]))  # as if nothing had decayed
    assert largest_difference(whole_weights(encoder), long_way) > 1e-4


def test_steps_that_fp16_skips_decay_nothing(still_deberta: Path) -> None:
    """A scale so large that the first steps overflow: weights, and rows out of use, stay as they are in these."""

    def scaled() -> MixedPrecision:
        # float32 arithmetic, so that only the scaling is tried: its products overflow at the largest scales.
        return MixedPrecision("fp32", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**127))

    results = []
    for in_use in (False, True):
        encoder, some = build(still_deberta, in_use=in_use, precision=scaled())
        skipped = [fact.skipped for fact in some.run(no_validation) if isinstance(fact, StepDone)]
        assert 0 < sum(skipped) < len(skipped), "some are, and some are not"
        results.append((skipped, whole_weights(encoder)))
    assert results[0][0] == results[1][0]
    assert largest_difference(results[0][1], results[1][1]) < 2e-6
    encoder, some = build(still_deberta, in_use=True, precision=scaled())
    list(some.run(no_validation))
    assert some.vocabulary is not None
    for _ in range(sum(results[0][0])):
        some.vocabulary.decay(1 - 1e-3)
    assert largest_difference(whole_weights(encoder), results[0][1]) > 1e-5, "the control: one decay more is seen"


@pytest.mark.parametrize("stop_after", [1, 4, 6])
def test_a_resumed_run_ends_with_the_same_rows(tiny_deberta: Path, tmp_path: Path, stop_after: int) -> None:
    whole = trained(tiny_deberta, in_use=True)
    _, first = build(tiny_deberta, in_use=True)
    steps = (fact for fact in first.run(no_validation) if isinstance(fact, StepDone))
    for _ in range(stop_after):
        next(steps)
    save_checkpoint(tmp_path / "half", take_snapshot(first.model, first.optimizer, None, first.progress))
    encoder, second = build(tiny_deberta, in_use=True)
    second.progress = load_checkpoint(tmp_path / "half", second.model, second.optimizer, None)
    list(second.run(no_validation))
    found = whole_weights(encoder)
    assert all(torch.equal(found[name], whole[name]) for name in whole)


def test_an_average_of_weights_along_the_way_is_the_long_ways(still_deberta: Path) -> None:
    averages = []
    for in_use in (False, True):
        encoder, some = build(still_deberta, in_use=in_use, decay=0.5)
        average: dict[str, torch.Tensor] = {}
        for num, _ in enumerate(fact for fact in some.run(no_validation) if isinstance(fact, StepDone)):
            now = {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
            average = {name: average.get(name, now[name]) * (num / (num + 1)) + now[name] / (num + 1) for name in now}
        last = whole_weights(encoder)
        encoder.model.load_state_dict(average)
        averages.append(whole_weights(encoder))
        assert largest_difference(last, averages[-1]) > 1e-3, "the control: the last weights are others"
    assert largest_difference(*averages) < 2e-6


def test_checkpoints_hold_the_rows_in_use_alone(tmp_path: Path) -> None:
    folder = build_tiny_deberta(tmp_path / "wide", vocab_size=4_000)
    sizes = []
    for in_use in (False, True):
        _, some = build(folder, in_use=in_use)
        list(some.run(no_validation))
        place = tmp_path / str(in_use)
        save_checkpoint(place, take_snapshot(some.model, some.optimizer, None, some.progress))
        sizes.append(sum(path.stat().st_size for path in place.iterdir()))
    assert sizes[1] < sizes[0] / 3
