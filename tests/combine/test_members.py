"""Members: what they have in common, and the damage that their records can have."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from civility.combine.members import check_one_validation, check_targets, macro_roc_auc, recorded_data
from civility.data.dataset import Dataset
from civility.errors import UserError


def run(path: Path, digest: str) -> str:
    path.mkdir()
    (path / "classifier").mkdir()
    (path / "recipe.toml").write_text("seed = 1\n")
    part = {"digest": digest, "num_comments": 1, "files": []}
    (path / "environment.json").write_text(json.dumps({"data": {"training": part, "validation": part}}))
    return str(path)


def test_runs_of_one_validation_pass_and_others_are_told(tmp_path: Path) -> None:
    one, two, other = (run(tmp_path / name, f"sha256:{name[0] * 64}") for name in ("a", "a2", "b"))
    check_one_validation([one, two])
    with pytest.raises(UserError) as error:
        check_one_validation([one, two, other])
    assert error.value.message == (
        f"{other} was validated on other comments than {one} (sha256:{'b' * 12} and sha256:{'a' * 12}): "
        "what one held out, another may have been trained on"
    )
    assert "data.split_seed" in error.value.remedy


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"data": {"training": {}, "validation": {}}}'])
def test_a_damaged_record_is_told(tmp_path: Path, content: str) -> None:
    target = run(tmp_path / "a", "sha256:a")
    (tmp_path / "a" / "environment.json").write_text(content)
    with pytest.raises(UserError, match=r"environment\.json: damaged(: .+)?\ngive --data FILE"):
        recorded_data(target)


def test_the_same_classifier_by_another_name_is_told(tmp_path: Path) -> None:
    one, two = run(tmp_path / "a", "x"), run(tmp_path / "b", "x")
    check_targets([one, two])
    with pytest.raises(UserError, match=r"b/\.\./a: named twice"):
        check_targets([one, two, f"{two}/../a"])


def test_macro_leaves_out_what_is_undefined() -> None:
    targets = np.array([[0, 1, np.nan], [1, 1, np.nan], [1, 1, 0]], dtype=np.float32)
    logits = np.array([[0, 0, 0], [1, 1, 1], [-1, 2, 2]], dtype=np.float32)
    dataset = Dataset(("x", "y", "z"), targets, ("1", "2", "3"), ("a", "b", "c"))
    assert macro_roc_auc(dataset, logits) == 0.5  # of "a" alone
    nothing = Dataset(("x",), np.ones((1, 1), dtype=np.float32), ("1",), ("a",))
    assert math.isnan(macro_roc_auc(nothing, logits[:1, :1]))
