"""Score a list, and a column of a table: python examples/score.py CLASSIFIER COMMENTS.csv SCORED.csv."""

import sys

import pyarrow as pa
from pyarrow import csv

from civility import Classifier

classifier = Classifier.load(sys.argv[1])  # a run directory, a classifier folder or a name on the hub

# A list. A NumPy array and a pandas or polars Series work in the same way.
scores = classifier.score(["thanks for your help", "you are a fool"])
for text, row in zip(["thanks for your help", "you are a fool"], scores, strict=True):
    print(text, dict(zip(classifier.labels, row.round(3).tolist(), strict=True)))

# A table: one new column per label. With pandas: table[label] = scores[:, column].
table = csv.read_csv(sys.argv[2])
scores = classifier.score(table["text"].to_pylist())
for column, label in enumerate(classifier.labels):
    table = table.append_column(label, pa.array(scores[:, column]))
csv.write_csv(table, sys.argv[3])
print(f"{table.num_rows} comments scored: {sys.argv[3]}")
