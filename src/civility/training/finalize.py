"""The end of a run: calibrate the best epoch's classifier, choose its thresholds, measure it, and write the result."""

from collections.abc import Iterable, Mapping
from typing import Any

from civility.arrays import Logits
from civility.data.prepare import PreparedData
from civility.documents.report import ClassifierFacts
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.evaluation import Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.curves import training_curves
from civility.evaluation.labelled_comments import Labelled, fit_on, optimistic
from civility.evaluation.report_files import write_report
from civility.metrics.policy import parse_policies
from civility.models.encoder import EncoderScorer
from civility.models.model_source import public_name
from civility.models.vocabulary import give_back_whole
from civility.recipe import Recipe
from civility.render.markdown.model_card import CardFacts, model_card
from civility.render.sentences.report_sentences import other_scores
from civility.run import OWN_REPORT, RunDirectory
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import write_folder
from civility.training import provenance
from civility.training.session import Session


def finish_run(session: Session) -> Report | None:
    """Write the report and the classifier of the best epoch; return None on all processes but the first.

    Raises
    ------
    UserError : the disk refuses the result; the run can be resumed to write it
    """
    parts, checkpoints, logs = session.parts, session.checkpoints, session.logs
    if checkpoints is None or logs is None:
        return None
    try:
        checkpoints.remove_superseded()
        logits = checkpoints.load_best(parts.encoder.model)
        parts.trainer.optimizer.state.clear()  # frees the memory for the whole embedding
        give_back_whole(parts.encoder.model.cpu())
        classifier = Classifier(EncoderScorer(parts.encoder, parts.recipe.scoring_length))
        # The logits that chose the epoch are, to rounding, what the classifier computes: no need to score again.
        scored = fit_to_validation(classifier, parts.data, logits, parts.recipe)
        logs.flush()
        report = report_of_run(classifier, scored, parts.data, parts.recipe, parts.run.read_metrics())
        outside = classifier.not_in_weights
        checkpoints.save_best()
        write_result(parts.run, classifier, scored, report, provenance.card(parts, outside))
    except UserError as error:
        raise UserError(
            error.code,
            f"{error.found}; training is complete, but its result is not written",
            where=error.where,
            expected=error.expected,
            remedy=f"{error.remedy}\nthen: civility train --resume --out {parts.run.path}",
        ) from error
    if outside:
        parts.emit(Warned(parts.trainer.progress.step, other_scores(outside)))
    return report


def write_result(run: RunDirectory, classifier: Classifier, scored: Scored, report: Report, card: CardFacts) -> None:
    """Write the report and then the classifier, which marks the run as finished.

    Parameters
    ----------
    run : where
    classifier : with its calibration and thresholds
    scored, report : of the validation comments
    card : facts for the model card
    """
    write_report(report, scored, run.reports, [str(run.path)])
    with write_folder(run.classifier) as folder:
        classifier.save(folder, model_card(card, report))


def fit_to_validation(classifier: Classifier, data: PreparedData, logits: Logits, recipe: Recipe) -> Scored:
    """Calibrate a classifier on the validation comments, choose its thresholds, and return its scores there.

    Parameters
    ----------
    classifier : of the best epoch; changed in place
    data : the comments
    logits : (N, L) of the validation comments
    recipe : method of calibration, and policies of the thresholds
    """
    dataset = data.validation
    if classifier.kind == "encoder":
        classifier.chosen_on = classifier.chosen_on.model_copy(update={"epoch": dataset.comments_digest})
    policies = parse_policies(recipe.evaluation.policy, dataset.labels)
    return fit_on(classifier, dataset, logits, policies, recipe.evaluation.calibration)


def report_of_run(
    classifier: Classifier, scored: Scored, data: PreparedData, recipe: Recipe, log: Iterable[Mapping[str, Any]]
) -> Report:
    """Return the report of a run on its validation comments.

    Parameters
    ----------
    classifier : with its calibration and thresholds
    scored : the validation comments
    data, recipe : of the run
    log : lines of the log of steps and epochs
    """
    notes = (*data.notes, *(f"training has {added}" for added in data.added))
    own = Labelled(data.validation, data.validation_files, notes, None, is_own=True)
    facts = ClassifierFacts(
        name="TF-IDF and logistic regression" if recipe.is_linear else f"{public_name(recipe.model.name)}, fine-tuned",
        max_length=classifier.max_length,
    )
    subject = Subject(OWN_REPORT, own.files, facts, optimistic(classifier, own), own.notes, training_curves(log))
    return report_on(scored, subject, Aspects(with_texts=recipe.evaluation.texts_in_report))
