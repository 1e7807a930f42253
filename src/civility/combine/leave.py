"""What a combination leaves: a run directory, as training does, with classifier, report and what it is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civility.classifier import Classifier
from civility.combine.members import recorded_data
from civility.data.files import write_folder
from civility.data.readers import Columns
from civility.labelled import Labelled, optimistic
from civility.recipe import Recipe
from civility.report import Report, Scored
from civility.report.combined_card import CombinedFacts, combined_card
from civility.report.document import ClassifierFacts
from civility.report.pages import write_report
from civility.report.whole import Aspects, Subject, report_on
from civility.run import OWN_REPORT, RunDirectory
from civility.training.environment import describe_environment


@dataclass(frozen=True, eq=False)
class Combination:
    """What was made, and of what.

    Parameters
    ----------
    kind : ensemble or soup
    how : in a sentence
    members : (M,) as they were named
    weights : (M,) shares; 0 of one that was left out
    scores : (M,) macro ROC AUC of each on the comments that all was chosen on
    score : of the combination
    labelled : these comments
    base_model : the pretrained encoder of all of them; None of an ensemble
    """

    kind: str
    how: str
    members: tuple[str, ...]
    weights: tuple[float, ...]
    scores: tuple[float, ...]
    score: float
    labelled: Labelled
    base_model: str | None = None

    @property
    def best(self) -> int:
        """Place of the best member."""
        return max(range(len(self.members)), key=lambda place: self.scores[place])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person has to know before using it: that its best member alone is better."""
        if not self.score < self.scores[self.best]:
            return ()
        return (
            f"the {self.kind} is worse than its best member: macro ROC AUC {self.score:.4f}, and "
            f"{self.members[self.best]} alone {self.scores[self.best]:.4f}: use that one",
        )


def leave(
    combination: Combination,
    classifier: Classifier,
    scored: Scored,
    recipe: Recipe,
    run: RunDirectory,
    command: Sequence[str],
) -> Report:
    """Write the run directory of a combination; the classifier comes last.

    Parameters
    ----------
    combination : what was made
    classifier : with its calibration and thresholds
    scored : what it says of the comments
    recipe : from `recipe_of`
    run : where; nothing is there
    command : what the user typed, for the record

    Raises
    ------
    UserError : no permission, no space; something is there
    """
    labelled = combination.labelled
    facts = ClassifierFacts(name=recipe.model.name, max_length=classifier.max_length)
    notes = (*combination.warnings, *labelled.notes)
    subject = Subject(OWN_REPORT, labelled.files, facts, optimistic(classifier, labelled), notes, None)
    report = report_on(scored, subject, Aspects(with_texts=recipe.evaluation.texts_in_report))
    run.create()
    with run.locked():
        run.check_free(can_go_on=False)
        run.remove_leftovers()
        run.write_recipe(recipe.to_toml())
        run.write_environment(_environment(combination, command))
        write_report(report, scored, run.reports)
        with write_folder(run.classifier) as folder:
            classifier.save(folder, combined_card(_card(combination, classifier, run.path.name), report))
    return report


def recipe_of(
    kind: str, targets: Sequence[str], labels: Sequence[str], files: Sequence[str], columns: Columns, policy: str
) -> Recipe:
    """Return the recipe that stands in the run directory: of the first run but for its model, which is what was made.

    By it the validation comments can be split off again. Where files were given in their stead, these are its
    validation, and it has no training comments.

    Parameters
    ----------
    kind : ensemble or soup
    targets : of the members
    labels : (L,) the label axis
    files, columns : labelled comments that were given, and their columns of text and id
    policy : of the thresholds; empty: the first run's, or F1
    """
    run = RunDirectory.find(Path(targets[0]))
    name = f"{kind} of {', '.join(targets)}"
    changes: dict[str, object] = {"model.name": name, "model.revision": ""}
    if files:
        changes |= {"data.files": [], "data.validation": list(files), "data.labels": list(labels)}
        changes |= {"data.folds": 0, "data.pseudo_labels": [], "data.augmentation": []}
        changes |= {
            key: name for key, name in (("data.text_column", columns.text), ("data.id_column", columns.id)) if name
        }
    if policy:
        changes["evaluation.policy"] = policy
    return Recipe.load(str(run.recipe) if run else "baseline", changes)


def _environment(combination: Combination, command: Sequence[str]) -> dict[str, Any]:
    labelled = combination.labelled
    dataset = labelled.dataset
    validation = {"files": list(labelled.files), "num_comments": len(dataset), "digest": dataset.digest}
    return {
        "command": list(command),
        **describe_environment(),
        "data": {"training": _training(combination), "validation": validation},
        "combination": {
            "kind": combination.kind,
            "how": combination.how,
            "macro_roc_auc": combination.score,
            "members": [
                {"target": target, "weight": weight, "macro_roc_auc": score}
                for target, weight, score in zip(
                    combination.members, combination.weights, combination.scores, strict=True
                )
            ],
        },
    }


def _training(combination: Combination) -> Mapping[str, Any]:
    """Return the training comments of all members; without a digest if they were trained on different ones."""
    unknown: Mapping[str, Any] = {"files": [], "num_comments": 0, "digest": ""}
    if not combination.labelled.is_own:
        return unknown
    found = [recorded_data(target)["training"] for target in combination.members]
    same = all(one["digest"] == found[0]["digest"] for one in found)
    return found[0] if same else unknown


def _card(combination: Combination, classifier: Classifier, name: str) -> CombinedFacts:
    return CombinedFacts(
        name=name,
        kind=combination.kind,
        how=combination.how,
        members=combination.members,
        weights=combination.weights,
        scores=combination.scores,
        score=combination.score,
        max_length=classifier.max_length,
        base_model=combination.base_model,
        warnings=combination.warnings,
        digest=combination.labelled.dataset.digest,
    )
