"""What a linear model reaches on the comments and the split of a run: TF-IDF with logistic regression.

    python benchmarks/linear_baseline.py FILE [--seed 42] [--validation 0.1] [--out FOLDER]

Words (1 and 2) and characters (2 to 5, within word boundaries), the 50,000 most frequent of each, one logistic
regression a label: the model of `civility train fast`, which makes a run of it. Here its scores are neither
calibrated nor cut by a policy, so that the table has what the bare model gives. The split is the one that
`civility train` makes with the same seed and share, so that the table may stand beside the report of a run: the digests
of the validation comments are equal.
"""

import argparse
from pathlib import Path

from civility.data.prepare import prepare
from civility.documents.report import ClassifierFacts
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.labelled_comments import scored_by
from civility.evaluation.report_files import write_report
from civility.recipe import Recipe
from civility.render.markdown.report_markdown import table
from civility.scoring.classifier import Classifier
from civility.training.train_linear import fit_linear


def main() -> None:
    """Fit, score the validation comments, print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--validation", type=float, default=0.1)
    parser.add_argument("--out", type=Path, help="folder for the report, which 'civility compare' takes")
    options = parser.parse_args()
    changes = {"seed": options.seed, "data.files": [options.file], "data.validation": options.validation}
    recipe = Recipe.load("fast", changes)
    data = prepare(recipe.wanted)
    classifier = Classifier(fit_linear(data.training, recipe.linear)[0])
    scored = scored_by(classifier, data.validation, classifier.logits(data.validation.texts))
    facts = ClassifierFacts(name="TF-IDF and logistic regression", max_length=0)
    report = report_on(scored, Subject("linear", data.validation_files, facts), Aspects())
    print(table(report))
    if options.out:
        write_report(report, scored, options.out)


if __name__ == "__main__":
    main()
