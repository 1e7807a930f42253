"""One name for each kind of array: its axes, its type, and what the numbers are.

Axes: N comments, L labels. A function that looks at a single label takes one column, (N,), under the same name.
"""

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]
"""float32 (N, L) in [0, 1]: calibrated probabilities."""
Logits = npt.NDArray[np.float32]
"""float32 (N, L): what a model gives, before calibration unless a docstring says otherwise."""
Targets = npt.NDArray[np.float32]
"""float32 (N, L) in [0, 1]: the share of annotators who chose the label; NaN where the label is unknown."""

POSITIVE_FROM = 0.5
"""The lowest positive target: the rule of Jigsaw 2019 for soft targets."""

Decisions = npt.NDArray[np.bool_]
"""bool (N, L): whether a score reaches the threshold of its label."""
Rows = npt.NDArray[np.int64]
"""int64: positions of comments in a data set, from 0."""
Draws = npt.NDArray[np.unsignedinteger]
"""Unsigned integers (R, N): how often each of R bootstrap resamples draws each comment."""
Words = npt.NDArray[np.str_]
"""str (N, L): a decision in words, such as ``allow`` or ``flag``."""
Floats = npt.NDArray[np.float64]
"""float64 of any shape."""
Float32s = npt.NDArray[np.float32]
"""float32 of any shape."""
AnyFloats = npt.NDArray[np.floating]
"""Floating-point numbers of any width and shape."""
Ints = npt.NDArray[np.int64]
"""int64 of any shape."""
Hashes = npt.NDArray[np.uint64]
"""uint64 of any shape: hash values."""
Bools = npt.NDArray[np.bool_]
"""bool of any shape."""
