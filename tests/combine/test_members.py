"""What members must have in common, and damaged records of their comments."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from civility.combine.combined_run import check_one_validation, check_targets, macro_roc_auc, recorded_data
from civility.data.dataset import Dataset

from ..refusals import refused


def run(path: Path, digest: str) -> str:
    path.mkdir()
    (path / "classifier").mkdir()
    (path / "recipe.toml").write_text("seed = 1\n")
    part = {"digest": digest, "num_comments": 1, "files": []}
    (path / "environment.json").write_text(json.dumps({"data": {"training": part, "validation": part}}))
    return str(path)


def test_runs_must_have_held_out_the_same_comments(tmp_path: Path) -> None:
    one, two, other = (run(tmp_path / name, f"sha256:{name[0] * 64}") for name in ("a", "a2", "b"))
    check_one_validation([one, two])
    with refused("combine.other-validation") as error:
        check_one_validation([one, two, other])
    assert error.value.message == (
        f"{other} and {one} held out different comments (sha256:{'b' * 12} and sha256:{'a' * 12}): "
        "each may have been trained on comments that the other held out"
    )
    assert "data.split_seed" in error.value.remedy


@pytest.mark.parametrize("content", ["{}", '{"data": []}', '{"data": {"training": {}, "validation": {}}}'])
def test_a_record_without_digests_is_refused(tmp_path: Path, content: str) -> None:
    target = run(tmp_path / "a", "sha256:a")
    (tmp_path / "a" / "environment.json").write_text(content)
    with refused("documents.damaged", r"environment\.json: damaged: .+\ngive --data FILE"):
        recorded_data(target)


@pytest.mark.parametrize("content", ["", "[]"])
def test_a_damaged_record_is_refused(tmp_path: Path, content: str) -> None:
    target = run(tmp_path / "a", "sha256:a")
    (tmp_path / "a" / "environment.json").write_text(content)
    with refused("storage.damaged", r"environment\.json: damaged: .+\ngive --data FILE"):
        recorded_data(target)


def test_a_classifier_folder_has_no_validation_comments(tmp_path: Path) -> None:
    with refused("combine.not-a-run", "not a run directory"):
        recorded_data(str(tmp_path))


def test_the_same_classifier_under_another_name_is_refused(tmp_path: Path) -> None:
    one, two = run(tmp_path / "a", "x"), run(tmp_path / "b", "x")
    check_targets([one, two])
    with refused("combine.members", r"b/\.\./a: named twice"):
        check_targets([one, two, f"{two}/../a"])


def test_the_macro_mean_leaves_out_undefined_labels() -> None:
    targets = np.array([[0, 1, np.nan], [1, 1, np.nan], [1, 1, 0]], dtype=np.float32)
    logits = np.array([[0, 0, 0], [1, 1, 1], [-1, 2, 2]], dtype=np.float32)
    dataset = Dataset(("x", "y", "z"), targets, ("1", "2", "3"), ("a", "b", "c"))
    assert macro_roc_auc(dataset, logits) == 0.5  # of "a" alone
    nothing = Dataset(("x",), np.ones((1, 1), dtype=np.float32), ("1",), ("a",))
    assert math.isnan(macro_roc_auc(nothing, logits[:1, :1]))
