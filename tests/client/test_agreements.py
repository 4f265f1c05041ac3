"""Agreements from Python: what waits is named with its address, its text is compared with its hash, and accepted."""

from __future__ import annotations

import gridhouse
import pytest

from domains.agreements import actions
from domains.node import actions as node_actions
from tests import make


def test_a_scientist_reads_and_accepts_what_waits(node, connect):
    sam, ada = connect("sam"), make.person("ada")
    ready = make.request(on=node.access())
    terms = actions.create(title="Terms of use", body="Be kind.", by=ada)
    actions.publish(terms, edition=1, by=ada)
    with pytest.raises(gridhouse.NotAllowed, match=f"/agreements/{terms.pk}/") as refused:
        sam.request(ready.pk).submit()
    assert refused.value.code == "agreements_accepted"
    (waiting,) = sam.agreements(due=True)
    assert (waiting.title, waiting.is_due) == ("Terms of use", True)
    assert waiting.text == "Be kind.\n"
    assert "waits for you" in repr(waiting)
    assert not waiting.accept().is_due
    assert list(sam.agreements(due=True)) == []
    assert sam.request(ready.pk).submit().id == ready.pk


def test_a_text_that_is_not_what_its_hash_says_is_not_accepted(node, connect):
    ada = make.person("ada")
    actions.publish(actions.create(title="Terms", body="Be kind.", by=ada), edition=1, by=ada)
    (waiting,) = connect("sam").agreements()
    assert waiting.text
    waiting.data["text"] = "Give us everything."
    with pytest.raises(gridhouse.NotProven):
        waiting.accept()


def test_whether_the_node_is_paused_is_told(node, connect):
    assert not connect("sam").pause()["is_paused"]
    node_actions.pause(reason="Stop.", by=make.person("ada"))
    assert connect("sam").pause()["pause"]["reason"] == "Stop."
