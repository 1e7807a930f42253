"""Which runs are one row, what rows are named, and the settings in which they differ."""

from civility.documents.comparison_result import RunFacts, Setting
from civility.evaluation.compare_runs import different_settings, grouped, row_names


def _facts(*runs: tuple[str, int | None]) -> list[RunFacts]:
    return [RunFacts(name=name, seed=seed) for name, seed in runs]


def test_the_same_settings_with_other_seeds_are_one_row() -> None:
    facts = _facts(("a", 1), ("b", 1), ("c", 2), ("d", 2), ("e", 2), ("f", None), ("g", None))
    one: dict[str, Setting] = {"training.loss": "bce"}
    other: dict[str, Setting] = {"training.loss": "focal"}
    groups = grouped(facts, [one, other, one, other, one, {}, {}])
    assert [group.members for group in groups] == [[0, 2], [1, 3], [4], [5], [6]]
    assert different_settings(groups) == [one, other, one, {}, {}]


def test_settings_that_all_have_in_common_are_left_out() -> None:
    settings: list[dict[str, Setting]] = [{"a.x": 1, "a.y": 2.5, "a.z": True}, {"a.x": 1, "a.y": 3.5, "a.z": False}]
    groups = grouped(_facts(("a", 1), ("b", 1)), settings)
    assert different_settings(groups) == [{"a.y": 2.5, "a.z": True}, {"a.y": 3.5, "a.z": False}]


def test_names_are_as_short_as_they_can_be() -> None:
    def named(*names: tuple[str, ...]) -> list[str]:
        facts = _facts(*((name, i) for row in names for i, name in enumerate(row)))
        settings: list[dict[str, Setting]] = [{"row": place} for place, row in enumerate(names) for _ in row]
        return row_names(grouped(facts, settings), facts)

    assert named(("/r/a/seed-1", "/r/a/seed-2"), ("/r/b/seed-1",)) == ["a", "b/seed-1"]
    assert named(("runs/a",), ("runs/b",)) == ["a", "b"]
    assert named(("a",), ("runs/b",)) == ["a", "runs/b"]
    assert named(("/r/a",), ("r/b",)) == ["/r/a", "r/b"]
    assert named(("runs/a", "runs/b"), ("runs/c",)) == ["a and 1 more", "c"]
    assert named(("a.json",), ("a.json",)) == ["a.json (1)", "a.json (2)"]
    assert named(("only/one",)) == ["only/one"]
