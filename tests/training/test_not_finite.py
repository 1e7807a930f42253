"""The error of a step that is not finite."""

from pathlib import Path

import numpy as np

from civility.engine.progress import NotFinite
from civility.training.session import explain_not_finite

IDS = [f"c{i}" for i in range(100)]
STEP = np.arange(20, 52)


def error(broken: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> NotFinite:
    return NotFinite("step 3: the loss is nan: training stopped", "lower training.learning_rate", 3, broken, STEP)


def test_a_few_comments_are_named_and_so_is_the_checkpoint() -> None:
    explained = explain_not_finite(error(np.array([21, 33])), IDS, Path("runs/x/checkpoints/step-000002"))
    assert explained.message == (
        "step 3: the loss is nan: training stopped\n       the scores are not finite for the comments: c21, c33"
    )
    assert explained.remedy == (
        "lower training.learning_rate\nthe last good checkpoint is runs/x/checkpoints/step-000002"
    )


def test_many_comments_are_counted() -> None:
    explained = explain_not_finite(error(STEP), IDS, None)
    assert explained.message.endswith("\n       its comments: c20, c21, c22, c23, c24, c25, c26, c27 and 24 more")
    assert explained.remedy.endswith("\nno checkpoint had been written yet")
