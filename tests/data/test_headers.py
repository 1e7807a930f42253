"""Names of columns: equal up to case, white space and invisible characters, and what is near to one."""

import pytest

from civility.data.dialects import Headers, cleaned, folded

from ..refusals import refused


@pytest.mark.parametrize(
    "written",
    [
        "id ",
        " id",
        "Id",
        "ID",
        "\ufeffid",
        "\ufeff\ufeffid",
        "id\u00a0",
        "\u200bid",
        "i\u00add",
        "\u200eid\u200f",
        "\u2066id\u2069",
        "id\ufe0f",
        "\tid\r",
        "\x00id",
        "\uff29\uff24",
    ],
)
def test_a_name_is_the_same_whatever_its_case_and_what_cannot_be_seen(written: str) -> None:
    assert folded(written) == "id"
    assert Headers("a.csv", ["text", written]).find("id") == written


@pytest.mark.parametrize("written", ["i d", "idd", "i_d", "1d", "\u0456d", "comment_id"])
def test_another_name_is_another_name(written: str) -> None:
    assert Headers("a.csv", [written]).find("id") == ""


def test_case_of_every_script_is_folded() -> None:
    assert folded("STRASSE") == folded("stra\u00dfe") == folded("Stra\u1e9ee")
    assert folded("ΛΟΓΟΣ") == folded("λογος") == folded("λογοσ")
    assert folded("Cafe\u0301") == folded("CAF\u00c9")


def test_a_name_is_shown_in_its_own_case() -> None:
    assert cleaned("\ufeff Comment\u00a0 Text\u200b ") == "Comment Text"


@pytest.mark.parametrize(("one", "other"), [("toxic", "Toxic "), ("toxic", "toxic\u200b"), ("TOXIC", "Toxic")])
def test_two_columns_of_one_name_are_an_error_that_names_both(one: str, other: str) -> None:
    headers = Headers("a.csv", ["text", one, other, "Author", "author"])
    with refused("data.ambiguous-column") as caught:
        headers.find("toxic")
    assert ascii(one)[1:-1] in caught.value.message
    assert ascii(other)[1:-1] in caught.value.message, "what cannot be seen is written as an escape"
    assert "toxic" in caught.value.remedy
    assert headers.find("text") == "text", "others that nobody asks for do not matter"


def test_a_column_and_a_part_of_an_object_that_hold_one_label_are_refused() -> None:
    headers = Headers("a.csv", ["text", "rude", "labels.rude"], containers=("labels",))
    with refused("data.ambiguous-column") as caught:
        headers.find("rude")
    assert caught.value.message == "a.csv: the columns 'rude' and 'labels.rude' both hold 'rude'"
    assert caught.value.remedy == "rename or remove the others, and keep the one that holds 'rude'"


@pytest.mark.parametrize("written", ["toxc", "toxicc", "Toxi", "t0xic", "toxci", "_toxic", "toxic\u0301"])
def test_a_typo_is_near(written: str) -> None:
    headers = Headers("a.csv", ["id", written])
    assert headers.near("toxic") == written
    assert headers.near("toxic", taken=[written]) == ""


def test_the_nearest_is_taken_and_longer_names_may_have_two_typos() -> None:
    assert Headers("a.csv", ["identty hate", "identity-hate"]).near("identity_hate") == "identity-hate"
    assert Headers("a.csv", ["identty hate"]).near("identity_hate") == "identty hate"
    assert Headers("a.csv", ["thraet"]).near("threat") == "thraet"


def test_another_word_is_not_near() -> None:
    names = ["toxicity", "severe_toxic", "target", "toxicity_annotator_count", "text", "threads", "insulting", "ie"]
    headers = Headers("a.csv", names)
    assert [headers.near(label) for label in ("toxic", "threat", "insult", "obscene", "id")] == [""] * 5


def test_parts_of_containers_are_found_by_their_own_name() -> None:
    headers = Headers("a.csv", ["text", "Labels.Toxic", "scores.threat"], {"labels"})
    assert headers.find("toxic") == headers.find("labels.toxic") == "Labels.Toxic"
    assert headers.find("threat") == ""
    with refused("data.ambiguous-column", match=r"'labels\.toxic' and 'toxic'"):
        Headers("a.csv", ["labels.toxic", "toxic"], {"labels"}).find("toxic")
