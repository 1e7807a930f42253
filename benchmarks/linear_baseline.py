"""What a linear model reaches on the comments and the split of a run: TF-IDF with logistic regression.

    python benchmarks/linear_baseline.py FILE [--seed 42] [--validation 0.1] [--out FOLDER]

Words (1 and 2) and characters (2 to 5, within word boundaries), the 50,000 most frequent of each, one logistic
regression a label. The split is the one that `civility train` makes with the same seed and share, so that its table
may stand beside the report of a run: the digests of the validation comments are equal.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from civility.data.dataset import POSITIVE_FROM
from civility.data.prepare import prepare
from civility.recipe import Recipe
from civility.report import Scored
from civility.report.document import ClassifierFacts
from civility.report.markdown import table
from civility.report.pages import write_report
from civility.report.whole import Aspects, Subject, report_on


def main() -> None:
    """Fit, score the validation comments, print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--validation", type=float, default=0.1)
    parser.add_argument("--out", type=Path, help="folder for the report, which 'civility compare' takes")
    options = parser.parse_args()
    changes = {"seed": options.seed, "data.files": [options.file], "data.validation": options.validation}
    recipe = Recipe.load("baseline", changes)
    data = prepare(recipe.wanted)
    vectorizers = [
        TfidfVectorizer(ngram_range=(1, 2), max_features=50_000, sublinear_tf=True, dtype=np.float32),
        TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), max_features=50_000, sublinear_tf=True, dtype=np.float32
        ),
    ]
    training = hstack([one.fit_transform(data.training.texts) for one in vectorizers]).tocsr()
    validation = hstack([one.transform(data.validation.texts) for one in vectorizers]).tocsr()
    scores = np.zeros(data.validation.targets.shape, dtype=np.float32)
    for column in range(len(data.training.labels)):
        targets = data.training.targets[:, column]
        known = ~np.isnan(targets)
        model = LogisticRegression(C=1.0, solver="liblinear", max_iter=200)
        model.fit(training[known], targets[known] >= POSITIVE_FROM)
        scores[:, column] = model.predict_proba(validation)[:, 1]
    scored = Scored(data.validation, scores)
    facts = ClassifierFacts(name="TF-IDF and logistic regression", max_length=0)
    report = report_on(scored, Subject("linear", data.validation_files, facts), Aspects())
    print(table(report))
    if options.out:
        write_report(report, scored, options.out)


if __name__ == "__main__":
    main()
