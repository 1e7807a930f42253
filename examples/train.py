"""Train a classifier from comments in memory: python examples/train.py runs/example."""

import sys
from pathlib import Path

import numpy as np

from civility import Dataset, Recipe
from civility.data.prepare import PreparedData
from civility.data.splits import split
from civility.training.train_run import train

if len(sys.argv) != 2:
    sys.exit("usage: python examples/train.py RUN")

# Your own comments go here: one row per comment, one column per label, NaN if a label is unknown.
polite = [f"thanks for your {noun}, it helped me a lot" for noun in ("answer", "patch", "advice", "photo", "recipe")]
rude = [f"your {noun} is rubbish, you fool" for noun in ("answer", "patch", "advice", "photo", "recipe")]
texts = tuple(f"{text} ({number})" for number in range(20) for text in (*polite, *rude))
targets = np.array([[text.startswith("your")] for text in texts], dtype=np.float32)
comments = Dataset(texts, targets, ids=tuple(map(str, range(len(texts)))), labels=("rude",))

# "fast" is a linear model that trains in seconds; "strong" and "baseline" fine-tune an encoder.
recipe = Recipe.load("fast", {"data.labels": ["rude"]})
training_rows, validation_rows = split(comments, 0.2, recipe.seed)
data = PreparedData(
    training=comments.select(training_rows),
    validation=comments.select(validation_rows),
    files=("in memory",),
    validation_files=("in memory",),
    notes=(),
)
run = train(recipe, data, Path(sys.argv[1]))
print(f"trained on {len(data.training)} comments: {run.classifier}")
