"""Groups of parameters: who decays, who learns how fast, and that the loop and checkpoints heed it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from civility.documents.checkpoint_state import Progress
from civility.engine.checkpoint import load_checkpoint, save_checkpoint, take_snapshot
from civility.engine.optimizer import build_adamw
from civility.engine.parameter_groups import group_of, parameter_groups, split_groups
from civility.models.encoder import load_encoder

from ..refusals import refused

LABELS = ("toxic", "threat", "insult")


def _names(model: Any, groups: list[dict[str, Any]]) -> list[list[str]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [[names[id(one)] for one in group["params"]] for group in groups]


@pytest.fixture(params=["tiny_bert", "tiny_deberta"])
def model(request: pytest.FixtureRequest) -> Any:
    return load_encoder(str(request.getfixturevalue(request.param)), LABELS, seed=5).model


def test_by_default_all_are_one_group_in_the_order_of_the_model(model: Any) -> None:
    (group,) = parameter_groups(model, weight_decay=0.01)
    assert _names(model, [group]) == [[name for name, _ in model.named_parameters()]]
    assert (group["weight_decay"], group["lr_scale"]) == (0.01, 1.0)


def test_weight_decay_on_matrices_leaves_out_biases_and_norms(model: Any) -> None:
    groups = parameter_groups(model, weight_decay=0.01, decay_on="matrices")
    decayed, bare = sorted(groups, key=lambda group: -group["weight_decay"])
    assert (decayed["weight_decay"], bare["weight_decay"]) == (0.01, 0.0)
    names = _names(model, [decayed, bare])
    assert all(name.endswith("weight") and "LayerNorm" not in name for name in names[0])
    assert all(name.endswith("bias") or "LayerNorm" in name for name in names[1])
    assert sorted(names[0] + names[1]) == sorted(name for name, _ in model.named_parameters())


def test_layers_learn_at_a_share_of_the_one_above(model: Any) -> None:
    groups = parameter_groups(model, weight_decay=0.01, layer_decay=0.5)
    scales = {
        name: group["lr_scale"] for group, names in zip(groups, _names(model, groups), strict=True) for name in names
    }
    assert set(scales) == {name for name, _ in model.named_parameters()}
    for name, scale in scales.items():
        expected = 0.125  # embeddings, and DeBERTa's distances
        if name.startswith(("classifier", "pooler", "bert.pooler")):
            expected = 1.0
        elif ".layer." in name:
            expected = {"0": 0.25, "1": 0.5}[name.split(".layer.")[1][0]]
        assert scale == expected, name
    assert "classifier.weight" in scales
    assert len(groups) == 4


def test_both_together_are_a_group_for_each_pair(model: Any) -> None:
    groups = parameter_groups(model, weight_decay=0.01, decay_on="matrices", layer_decay=0.5)
    pairs = [(group["lr_scale"], group["weight_decay"]) for group in groups]
    assert sorted(pairs) == sorted((scale, decay) for scale in (1.0, 0.5, 0.25, 0.125) for decay in (0.0, 0.01))


def test_frozen_parameters_are_in_no_group(model: Any) -> None:
    model.get_input_embeddings().weight.requires_grad_(False)
    (group,) = parameter_groups(model, weight_decay=0.01)
    assert len(group["params"]) == len(list(model.parameters())) - 1


def test_groups_can_be_split_and_found(model: Any) -> None:
    groups = parameter_groups(model, weight_decay=0.01, layer_decay=0.5)
    head = model.classifier.weight
    chosen, others = split_groups(groups, {id(head)})
    assert [group["params"] for group in chosen] == [[head]]
    assert chosen[0]["lr_scale"] == 1.0
    assert sum(len(group["params"]) for group in others) == len(list(model.parameters())) - 1
    optimizer = build_adamw(model, weight_decay=0.01, betas=(0.9, 0.99), epsilon=1e-8, layer_decay=0.5)
    assert group_of(optimizer, head)["lr_scale"] == 1.0
    assert group_of(optimizer, model.get_input_embeddings().weight)["lr_scale"] == 0.125


def test_a_model_whose_layers_are_not_known_is_refused() -> None:
    class Body(torch.nn.Linear):
        @property
        def base_model(self) -> "Body":
            return self

    with refused(
        "models.unknown-part", r"regularization\.layer_decay = 0\.9: the layers of a Body are not known"
    ) as at:
        parameter_groups(Body(2, 2), weight_decay=0.0, layer_decay=0.9)
    assert at.value.remedy == "set it to 1, or choose a BERT, RoBERTa or DeBERTa"
    assert len(parameter_groups(Body(2, 2), weight_decay=0.0)) == 1


def _stepped(model: Any, **how: Any) -> torch.optim.AdamW:
    optimizer = build_adamw(model, weight_decay=0.01, betas=(0.9, 0.99), epsilon=1e-8, **how)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    model(input_ids=torch.arange(5, 25).reshape(2, 10)).logits.square().sum().backward()
    optimizer.step()
    return optimizer


def test_a_checkpoint_restores_groups_in_order_and_refuses_other_ones(tiny_bert: Path, tmp_path: Path) -> None:
    def fresh() -> Any:
        return load_encoder(str(tiny_bert), LABELS, seed=5).model

    how: dict[str, Any] = {"decay_on": "matrices", "layer_decay": 0.5}
    model = fresh()
    optimizer = _stepped(model, **how)
    save_checkpoint(tmp_path / "step", take_snapshot(model, optimizer, None, Progress()))
    other = fresh()
    restored = build_adamw(other, weight_decay=0.01, betas=(0.9, 0.99), epsilon=1e-8, **how)
    load_checkpoint(tmp_path / "step", other, restored, None)
    for one, same in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(optimizer.state[one]["exp_avg"], restored.state[same]["exp_avg"])
    for else_how in ({}, {"decay_on": "matrices"}, {"layer_decay": 0.5}):
        unlike = build_adamw(other, weight_decay=0.01, betas=(0.9, 0.99), epsilon=1e-8, **else_how)
        with refused(
            "engine.other-model", "its optimizer is of another kind, or has the parameters in other groups"
        ) as at:
            load_checkpoint(tmp_path / "step", other, unlike, None)
        assert at.value.remedy.startswith("training.optimizer, training.weight_decay_on and regularization.layer_decay")
        assert not unlike.state
