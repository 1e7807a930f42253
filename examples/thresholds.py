"""Choose thresholds on labelled comments and decide: python examples/thresholds.py CLASSIFIER LABELLED.csv."""

import sys

from civility import Classifier
from civility.data.reading import Columns
from civility.evaluation.choose_thresholds import ThresholdRequest, set_thresholds

if len(sys.argv) != 3:
    sys.exit("usage: python examples/thresholds.py CLASSIFIER LABELLED.csv")
_, target, labelled = sys.argv

# Writes the thresholds into the classifier folder. check=True would only show them.
done = set_thresholds(target, [labelled], ThresholdRequest(policy="default: precision>=0.9"), columns=Columns())
for label, choice in done.choices.items():
    print(f"{label}: flagged from {choice.threshold:.3f} by {choice.policy}, met: {choice.met}")
for note in done.notes:
    print(f"note: {note}")

classifier = Classifier.load(target)
comments = ["thanks for your help", "you are a fool"]
for comment, flags in zip(comments, classifier.decide(classifier.score(comments)), strict=True):
    flagged = [label for label, flag in zip(classifier.labels, flags, strict=True) if flag]
    print(f"{comment}: {', '.join(flagged) or 'nothing flagged'}")
