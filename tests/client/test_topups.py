"""A larger budget and the calculator from a notebook."""

import gridhouse
import pytest


def test_a_scientist_asks_for_more_and_follows_it(node, connect):
    sam, ada = connect("sam"), connect("ada")
    grant = next(each for each in sam.grants() if each.id == node.grant)
    asked = grant.ask_for_more(epsilon=2, reason="More questions.")
    assert (asked["status"], asked["asked_epsilon"]) == ("asked", "2.000000")
    assert [row["id"] for row in grant.topups()] == [asked["id"]]
    with pytest.raises(gridhouse.GridhouseError):
        grant.top_up(epsilon=2, reason="Alone.")
    same = next(each for each in ada.grants() if each.id == node.grant)
    with pytest.raises(gridhouse.GridhouseError) as refused:
        same.top_up(epsilon=2, pure_epsilon="0", reason="A second one.")
    assert refused.value.code == "already_asked"


def test_the_calculator_answers_in_a_notebook(connect):
    found = connect("sam").calculate("mean", lower=0, upper=100, group=5000, epsilon=0.5)
    assert float(found["plus_minus_95"]) < 1
