"""Mistakes that an evaluation, thresholds or an audit refuse before anything is scored, by their codes."""

from pathlib import Path

import numpy as np
import pytest

from civility import Classifier
from civility.audit.label_errors import suspect
from civility.data.dataset import Dataset
from civility.data.reading import Columns
from civility.evaluation.build_report import Aspects
from civility.evaluation.choose_thresholds import ThresholdRequest, set_thresholds
from civility.evaluation.evaluate_classifier import EvaluationRequest, Probes, evaluate
from civility.evaluation.labelled_comments import read_labelled
from civility.evaluation.requirements import parse_requirement
from civility.models.encoder import EncoderScorer, load_encoder

from ..refusals import refused


@pytest.fixture(scope="module")
def folder(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classifier") / "classifier"
    path.mkdir()
    Classifier(EncoderScorer(load_encoder(str(tiny_bert), ("toxic", "threat")), 48)).save(path, "")
    return path


@pytest.fixture
def comments(tmp_path: Path) -> str:
    path = tmp_path / "comments.csv"
    path.write_text("text,toxic\nbad,1\nworse,1\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "found"),
    [("a/b", "not a plain name"), (".a", "not a plain name"), ("x" * 300, "longer than 200 bytes")],
)
def test_the_name_of_a_report_is_a_plain_file_name(folder: Path, comments: str, name: str, found: str) -> None:
    with refused("evaluation.bad-report-name", found):
        evaluate(str(folder), [comments], name=name)


@pytest.mark.parametrize(
    "request_",
    [
        EvaluationRequest(aspects=Aspects(label="thraet")),
        EvaluationRequest(probes=Probes(suite_label="thraet")),
        EvaluationRequest(requirements=(parse_requirement("labels.thraet.recall >= 0.5"),)),
    ],
)
def test_labels_are_those_of_the_classifier(folder: Path, comments: str, request_: EvaluationRequest) -> None:
    with refused("evaluation.no-such-label", r"\(did you mean threat\?\)"):
        evaluate(str(folder), [comments], request_)


def test_a_suite_must_name_a_label_of_the_classifier(folder: Path, comments: str, tmp_path: Path) -> None:
    suite = tmp_path / "suite.csv"
    suite.write_text("function,text,expected,label\nf,t,flag,spam\n", encoding="utf-8")
    with refused("evaluation.no-such-label", "no case can be decided: .* does not have: spam"):
        evaluate(str(folder), [comments], EvaluationRequest(probes=Probes(suites=(str(suite),))))


def test_a_part_that_is_required_must_be_measured(folder: Path, comments: str) -> None:
    request = EvaluationRequest(requirements=(parse_requirement("bias.final >= 0.9"),))
    with refused("evaluation.not-measured", "--groups"):
        evaluate(str(folder), [comments], request)


def test_only_a_run_has_comments_of_its_own(folder: Path) -> None:
    with refused("evaluation.no-held-out-comments", "not a run directory"):
        read_labelled(str(folder), (), ("toxic",), Columns())
    with refused("evaluation.no-held-out-comments", r"columns are named \(body\) but no file"):
        read_labelled(str(folder), (), ("toxic",), Columns(text="body"))


def test_thresholds_need_a_folder_and_both_classes(folder: Path, comments: str) -> None:
    with refused("evaluation.no-classifier-folder"):
        set_thresholds("someone/classifier", [comments], ThresholdRequest("default: f1"), columns=Columns())
    with refused(
        "evaluation.nothing-to-choose-by", "toxic: no negative comment among 2; threat: its target is unknown"
    ):
        set_thresholds(str(folder), [comments], ThresholdRequest("default: f1"), columns=Columns())


def test_label_errors_need_a_label_of_the_classifier(folder: Path) -> None:
    dataset = Dataset(("a",), np.ones((1, 1), dtype=np.float32), ("1",), ("spam",))
    with refused("audit.nothing-to-check", "no comment has a known target for its labels: toxic, threat"):
        suspect(str(folder), Classifier.load(str(folder)), dataset, lambda num_comments, total: None)
