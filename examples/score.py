"""Score a list, and a column of a table: python examples/score.py CLASSIFIER COMMENTS.csv SCORED.csv."""

import sys

import pyarrow as pa
from pyarrow import csv

from civility import Classifier

if len(sys.argv) != 4:
    sys.exit("usage: python examples/score.py CLASSIFIER COMMENTS.csv SCORED.csv")
_, target, comments, scored = sys.argv

classifier = Classifier.load(target)  # a run directory, a classifier folder or a name on the hub

# A list. A NumPy array and a pandas or polars Series work in the same way.
scores = classifier.score(["thanks for your help", "you are a fool"])
for text, row in zip(["thanks for your help", "you are a fool"], scores, strict=True):
    print(text, {label: f"{score:.3f}" for label, score in zip(classifier.labels, row, strict=True)})

# A table: one new column per label. With pandas: table[label] = scores[:, column].
table = csv.read_csv(comments)
scores = classifier.score(table["text"].to_pylist())
for column, label in enumerate(classifier.labels):
    name = f"{label} score" if label in table.column_names else label
    table = table.append_column(name, pa.array(scores[:, column]))
csv.write_csv(table, scored)
print(f"{table.num_rows} comments scored: {scored}")
