"""An answer in the scientist's hands: figures, frames and text, and its proof against a node that lies."""

import io
import json
from xml.etree import ElementTree

import duckdb
import gridhouse
import pytest
from gridhouse import verify

from domains.ledger import queries as books
from tests.world import QUESTION


@pytest.fixture
def sam(connect):
    return connect("sam")


@pytest.fixture
def answered(sam, answer):
    """Return Sam's question, answered before these tests began."""
    return sam.request(answer)


def spent(node):
    rows = books.balances(node.access(), node.user("sam"))
    return {(row.reserved.rho, row.spent.rho) for row in rows}


def test_a_result_becomes_a_frame_a_table_and_text(answered):
    result = answered.result()
    frame = result.to_pandas()
    assert list(frame.columns) == ["sex", "n", "a"]
    assert frame["n"].dtype.kind == "i"
    assert list(result.to_pandas(plus_minus=True).columns) == ["sex", "n", "n ±", "a", "a ±"]
    assert result._repr_html_().count("<tr>") == 1 + len(result)
    assert result.as_text().splitlines()[0].split() == ["sex", "n", "n", "±", "a", "a", "±"]
    assert len(result.as_text().splitlines()) == 1 + len(result)
    assert result.to_csv().splitlines()[0] == "sex,n,n_plus_minus_95,a,a_plus_minus_95"


def test_a_table_escapes_what_a_code_list_holds(answered):
    result = answered.result()
    result._answer["rows"][0][0] = "<script>alert(1)</script>"
    assert "<script>" not in result._repr_html_()


def shown(rows, *, kinds=("key", "count"), error=5):
    """Return a result with these rows, as a node would have sent it."""
    names = [f"{kind} {at}" for at, kind in enumerate(kinds)]
    columns = [{"name": name, "kind": kind} for name, kind in zip(names, kinds, strict=True)]
    accuracy = [[None if kind == "key" else error for kind in kinds] for _ in rows]
    answer = {"columns": columns, "rows": rows, "accuracy": accuracy, "notes": ["<b>A note.</b>"]}
    return gridhouse.Result(None, {"answer": answer, "request": "R", "release": {}, "cost": {"rho": 0.01}})


def test_a_notebook_shows_the_table_a_drawing_and_the_notes():
    page = shown([["east", 5], ["<i>west</i>", -7]])._repr_html_()
    assert page.index("<table>") < page.index("<svg") < page.index("A note.")
    assert (
        "2 bars with 95 % error bars. Largest: east: 5 ± 5. Smallest: &lt;i&gt;west&lt;/i&gt;: -7 ± 5."
        in page
    )
    assert "<i>" not in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("keys", "ends"),
    [
        ([30, 10, 50, 20, 40], "10 to 50"),
        ([f"2024-0{n}-01" for n in (3, 1, 2, 5, 4)], "2024-01-01 to 2024-05-01"),
        ([0.5, 1.5, 2, 3, 9], "0.50 to 9"),
    ],
)
def test_numbers_and_dates_are_drawn_as_steps_along_the_key(keys, ends):
    picture = ElementTree.fromstring(shown([[key, 3] for key in keys]).svg())
    words = picture.findtext("{http://www.w3.org/2000/svg}desc")
    assert words.startswith(f"Steps from {ends} in a band of 95 % intervals.")


def test_what_is_unknown_is_left_out_and_nothing_draws_nothing():
    assert "2 bars" in shown([["a", 5], ["b", None], ["c", 0]]).svg()
    assert shown([["a", None]]).svg() == ""
    assert shown([["a"]], kinds=("key",)).svg() == ""
    assert shown([["a", 1]]).svg("nobody") == ""
    assert "2 bars" in shown([["a", "f", 1], ["a", "m", 2]], kinds=("key", "key", "count")).svg()


def test_a_long_answer_is_shown_from_its_beginning_and_says_so():
    page = shown([[f"key {n}", n] for n in range(500)])._repr_html_()
    assert page.count("<tr>") == 61
    assert "The first 60 of 500 rows." in page
    assert "The first 40 of 500 rows are drawn." in page


def test_files_are_what_the_node_offers(answered, tmp_path):
    result = answered.result()
    path = result.to_parquet(tmp_path / "answer.parquet")
    frame = duckdb.sql(f"SELECT * FROM '{path}'").fetchall()
    assert [row[1] for row in frame] == [row["n"] for row in result.rows]
    assert result.bundle()["rows"] == result.rows
    kept = tmp_path / "answer.json"
    kept.write_text(json.dumps(result.bundle()))
    assert verify.main([str(kept)]) == 0


def test_a_result_is_proven_with_the_key_one_knows(answered, sam):
    proven = answered.result().verify(sam.log_key()["public_key"])
    assert proven["sha256"] == answered.result().release["sha256"]


def test_a_node_that_shows_other_figures_than_it_released_is_found_out(answered):
    result = answered.result()
    result._answer["rows"][0][1] += 1
    with pytest.raises(gridhouse.NotProven, match="figures"):
        result.verify()


def test_a_node_that_swaps_the_bytes_is_found_out(answered, monkeypatch):
    result = answered.result()
    payload = result.payload().replace(b'"notes"', b'"Notes"')
    monkeypatch.setattr(result, "payload", lambda: payload)
    with pytest.raises(gridhouse.NotProven, match="bytes"):
        result.verify()


def test_a_receipt_of_something_else_proves_nothing(answered, monkeypatch):
    result = answered.result()
    monkeypatch.setattr(result, "request", "0" * 26)
    receipt, payload = answered.result().receipt(), answered.result().payload()
    monkeypatch.setattr(result, "receipt", lambda: receipt)
    monkeypatch.setattr(result, "payload", lambda: payload)
    with pytest.raises(gridhouse.NotProven, match="another event"):
        result.verify()


def test_a_log_signed_by_another_key_is_found_out(answered):
    other = "another.example/audit+00000000+AQ=="
    with pytest.raises(gridhouse.NotProven):
        answered.result().verify(other)


def test_a_receipt_is_kept_and_verified_without_the_node(answered, tmp_path):
    kept = tmp_path / "receipt.json"
    kept.write_text(json.dumps(answered.result().receipt()))
    assert verify.verify_receipt(json.loads(kept.read_text())).body["event"] == "result.released"


def test_asking_again_is_free(node, answered, sam):
    before = spent(node)
    again = sam.sql(node.grant, QUESTION, epsilon=0.1, title="Again").submit().wait(timeout=5)
    assert again.result().is_repeat
    assert again.result().rows == answered.result().rows
    assert again.result().cost["rho_units"] == 0
    assert spent(node) == before


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "show", "drawn"),
    [(io.StringIO, None, False), (io.StringIO, True, True), (Terminal, None, True), (Terminal, False, False)],
)
def test_the_bar_is_drawn_on_terminals_or_where_asked_for(answered, monkeypatch, stream, show, drawn):
    err = stream()
    monkeypatch.setattr("sys.stderr", err)
    answered.wait(timeout=1, progress=show)
    assert ("Released" in err.getvalue()) is drawn
    assert err.getvalue() == "" or err.getvalue().endswith("\n")


def test_a_lead_saves_the_project_s_evidence_and_it_verifies(connect, node, answer, tmp_path):
    project = connect("sam").project(node.access().project_id)
    path = project.evidence(tmp_path / "evidence.zip")
    assert verify.verify_pack(path)[1] > 10
    with pytest.raises(gridhouse.NotFound):
        connect("charlie").project(project.id)
