"""Policies as text: what is read, what is written back, and what a mistake is answered with."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.metrics.policy import Kind, Policy, parse_policies, parse_policy

from ..refusals import refused

FEW = settings(max_examples=50, deadline=None)
LABELS = ("toxic", "threat", "identity hate", 'a: "b"; c', "default")
SHARES = st.floats(0, 1, exclude_min=True)
REVIEWS = st.none() | st.floats(0, 1000)
POLICIES = st.one_of(
    st.builds(Policy, st.just("f1"), st.just(0.0), REVIEWS),
    st.builds(Policy, st.sampled_from(["precision", "recall", "fpr"]), SHARES, REVIEWS),
    st.builds(Policy, st.just("flagged"), st.floats(0, 1000), REVIEWS),
)


@pytest.mark.parametrize(
    ("text", "kind", "bound", "review"),
    [
        ("f1", "f1", 0.0, None),
        ("F1", "f1", 0.0, None),
        ("precision>=0.8", "precision", 0.8, None),
        (" precision  >= 80 % ", "precision", 0.8, None),
        ("recall>=.9", "recall", 0.9, None),
        ("recall>=1", "recall", 1.0, None),
        ("fpr<=1%", "fpr", 0.01, None),
        ("fpr<=0.7%", "fpr", 0.007, None),
        ("fpr<=1e-3", "fpr", 0.001, None),
        ("flagged<=20 per 1000", "flagged", 20.0, None),
        ("flagged<=2%", "flagged", 20.0, None),
        ("bands(precision>=0.95, review<=20 per 1000)", "precision", 0.95, 20.0),
        ("bands ( f1 ,review<=0.5%)", "f1", 0.0, 5.0),
        ("bands(flagged<=5 per 1000, review<=20per 1000)", "flagged", 5.0, 20.0),
    ],
)
def test_each_kind_is_read(text: str, kind: Kind, bound: float, review: float | None) -> None:
    assert parse_policy(text) == Policy(kind, bound, review)


@FEW
@given(st.dictionaries(st.sampled_from(LABELS), POLICIES, min_size=1))
def test_what_is_written_is_read_back(policies: dict[str, Policy]) -> None:
    text = "; ".join(f"{json.dumps(label)}: {policy}" for label, policy in policies.items())
    assert parse_policies(text, LABELS) == policies


def test_the_policy_of_the_issue() -> None:
    found = parse_policies("threat: recall>=0.9; default: precision>=0.8", ("toxic", "threat"))
    assert found == {"toxic": Policy("precision", 0.8), "threat": Policy("recall", 0.9)}
    assert [str(policy) for policy in found.values()] == ["precision>=0.8", "recall>=0.9"]


def test_without_a_default_only_the_labels_named_have_a_policy() -> None:
    assert parse_policies("threat:f1;", LABELS) == {"threat": Policy("f1")}


def test_names_may_have_spaces_and_anything_in_quotes() -> None:
    text = ' identity hate : f1 ;\n"a: \\"b\\"; c": recall>=0.5; "default": fpr<=0; default: precision>=0.5'
    assert {label: str(policy) for label, policy in parse_policies(text, LABELS).items()} == {
        "toxic": "precision>=0.5",
        "threat": "precision>=0.5",
        "identity hate": "f1",
        'a: "b"; c': "recall>=0.5",
        "default": "fpr<=0",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 1: no policy"),
        (" ; ", "character 1: no policy"),
        ("f1", "character 1: 'f1' has no label: write LABEL: POLICY or default: POLICY"),
        ("toxic: f2", "character 8: 'f2' is not a policy"),
        ("toxic: f1; threat: precission>=0.8", r"character 20: .* \(did you mean precision\?\)"),
        ("toxic:", "character 7: '' is not a policy"),
        ("toxic: precision>0.8", "'precision>0.8' is not a policy"),
        ("toxic: precision<=0.8", "precision takes >=, not <="),
        ("toxic: fpr>=0.8", "fpr takes <=, not >="),
        ("toxic: precision>=80", "precision>=80 is out of range, expected above 0 and up to 1"),
        ("toxic: recall>=0", "recall>=0 is out of range, expected above 0 and up to 1"),
        ("toxic: fpr<=101%", "fpr<=101 is out of range, expected from 0 to 1"),
        ("toxic: flagged<=20", "flagged<=20 needs a unit"),
        ("toxic: flagged<=2000 per 1000", "out of range, expected from 0 to 1000 per 1000"),
        ("toxic: recall>=9 per 1000", "recall is a share"),
        ("toxic: review<=9 per 1000", "'review<=9 per 1000' is not a policy"),
        ("toxic: bands(f1)", r"'bands\(f1\)' is not a policy"),
        ("toxic: bands(f1, fpr<=0.1)", r"character 18: the second part of bands"),
        ("toxic: bands(f3, review<=2 per 1000)", "character 14: 'f3' is not a policy"),
        ("toxic: f1; toxic: f1", "the label 'toxic' occurs twice"),
        ("default: f1; default: f1", "the default occurs twice"),
        ("toxik: f1", r"no label 'toxik' \(did you mean toxic\?\)\nthe labels are toxic, threat"),
        ('"tox\\q": f1', "is not a name in double quotes"),
        ('"toxic: f1', "has no label"),
    ],
)
def test_an_error_names_its_position(text: str, message: str) -> None:
    with refused("metrics.unknown-label" if "no label '" in message else "metrics.policy", message) as caught:
        parse_policies(text, LABELS)
    assert repr(text) in caught.value.message
    assert "for example: 'threat: recall>=0.9" in caught.value.remedy or "the labels are" in caught.value.remedy
