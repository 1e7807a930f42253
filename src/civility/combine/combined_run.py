"""The run directory of an ensemble or a soup: recipe, environment, report and classifier, as training leaves them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.combine.members import recorded_data
from civility.data.dialects import Columns
from civility.documents.note import Note
from civility.documents.report import ClassifierFacts
from civility.documents.run_environment import (
    Combination,
    CombinedMember,
    RecordedComments,
    RecordedData,
    RunEnvironment,
)
from civility.evaluation import Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.labelled_comments import Labelled, optimistic
from civility.evaluation.report_files import write_report
from civility.plain_text import one_line
from civility.recipe import Recipe
from civility.render.markdown.combined_card import Makeup, combined_card
from civility.run import OWN_REPORT, RunDirectory
from civility.run.versions import describe_environment
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import write_folder


@dataclass(frozen=True, eq=False)
class Combined:
    """An ensemble or a soup: its run directory, its members and its report."""

    run: RunDirectory
    makeup: Makeup
    report: Report


def write_combined_run(
    run: RunDirectory,
    recipe: Recipe,
    makeup: Makeup,
    classifier: Classifier,
    labelled: Labelled,
    scored: Scored,
    command: Sequence[str],
) -> Combined:
    """Write the run directory; the classifier is written last.

    Parameters
    ----------
    run : where; the folder is empty or absent
    recipe : from `combined_recipe`
    makeup : the members, and how they were combined
    classifier : with its calibration and thresholds
    labelled : the comments on which these were chosen
    scored : the classifier's scores of the comments
    command : what the user typed, for the record

    Raises
    ------
    UserError : no permission, no space, or the folder is not empty
    """
    facts = ClassifierFacts(name=recipe.model.name, max_length=classifier.max_length)
    outside = classifier.not_in_weights if makeup.base_model is not None else ()
    notes = (
        *makeup.warnings,
        *([Note(code="other_scores_in_pipeline", labels=tuple(outside))] if outside else []),
        *labelled.notes,
    )
    subject = Subject(OWN_REPORT, labelled.files, facts, optimistic(classifier, labelled), notes, None)
    report = report_on(scored, subject, Aspects(with_texts=recipe.evaluation.texts_in_report))
    run.create()
    with run.locked():
        run.check_free(is_resumable=False)
        run.remove_leftovers()
        run.write_first_files(recipe, _environment(makeup, labelled, command))
        data = [] if labelled.is_own else ["--data", *labelled.files]
        write_report(report, scored, run.reports, [str(run.path), *data])
        with write_folder(run.classifier) as folder:
            name = one_line(run.path.name)
            classifier.save(folder, combined_card(name, makeup, classifier.max_length, report, outside))
    return Combined(run, makeup, report)


def combined_recipe(
    kind: str, targets: Sequence[str], labels: Sequence[str], files: Sequence[str], columns: Columns, policy: str
) -> Recipe:
    """Return the recipe of the run directory: the first run's, with the name of the ensemble or soup as its model.

    The validation comments can be split off again with it. If files were given, they are its validation comments, and
    it has no training comments.

    Parameters
    ----------
    kind : ensemble or soup
    targets : of the members
    labels : (L,) of all members
    files, columns : labelled comments that the user gave, and their columns of text and id
    policy : of the thresholds; empty: the first run's, or F1
    """
    run = RunDirectory.find(Path(targets[0]))
    name = one_line(f"{kind} of {', '.join(targets)}")
    changes: dict[str, object] = {"model.name": name, "model.revision": ""}
    if files:
        changes |= {"data.files": [], "data.validation": list(files), "data.labels": list(labels)}
        changes |= {"data.folds": 0, "data.pseudo_labels": [], "data.augmentation": []}
        named = {"data.text_column": columns.text, "data.id_column": columns.id}
        changes |= {key: column for key, column in named.items() if column}
    if policy:
        changes["evaluation.policy"] = policy
    return run.load_recipe(changes) if run else Recipe.load("baseline", changes)


def _environment(makeup: Makeup, labelled: Labelled, command: Sequence[str]) -> RunEnvironment:
    members = zip(makeup.members, makeup.weights, makeup.scores, strict=True)
    return RunEnvironment(
        **describe_environment(command),
        data=RecordedData(
            training=_training(makeup.members, labelled),
            validation=RecordedComments.of(labelled.dataset, labelled.files),
        ),
        combination=Combination(
            kind=makeup.kind,
            method=makeup.method,
            macro_roc_auc=makeup.score,
            members=tuple(
                CombinedMember(target=target, weight=weight, macro_roc_auc=score) for target, weight, score in members
            ),
        ),
    )


def _training(members: Sequence[str], labelled: Labelled) -> RecordedComments:
    """Return the training comments of all members; without a digest if they were trained on different ones."""
    unknown = RecordedComments(num_comments=0, digest="")
    if not labelled.is_own:
        return unknown
    found = [recorded_data(target).training for target in members]
    return found[0] if all(one.digest == found[0].digest for one in found) else unknown
