"""Synthetic mocks from outside: proposed and confirmed by the client and on pages, downloaded by everybody."""

from __future__ import annotations

import io
import re

import duckdb
import gridhouse
import pytest
from django.test import Client
from django.urls import reverse
from gridhouse import synthetic

from domains.synthetic import actions
from domains.synthetic.models import SyntheticMock
from tests import make
from tests.portal.people_kit import sign_in
from tests.portal.web import kit
from tests.world import at

SETS = (("sex", "race"), ("dzgroup",))
JSON = '{"marginals": [["sex", "race"], ["dzgroup"]]}'


@pytest.fixture(scope="module")
def published(built, django_db_blocker) -> str:
    """The key of a synthetic mock that Alice proposed, Rita confirmed and real child processes made."""
    with django_db_blocker.unblock(), at(built.home):
        dataset = built.access().dataset
        mock = actions.propose(dataset, sql=JSON, epsilon="0.5", by=built.user("alice"))
        actions.confirm(mock, by=built.user("rita"))
        make.run_jobs()
        make.run_jobs("workloads")
        return mock.pk


def browser(name: str) -> Client:
    client = Client()
    assert sign_in(client, make.person(name).email, make.PASSWORD).status_code == 302
    return client


def text(response) -> str:
    return " ".join(response.content.decode().split())


# --- The client ----------------------------------------------------------------------------------------------------


def test_an_owner_proposes_and_another_person_confirms(connect, node, published):
    owned = connect("alice").owned_dataset("support2")
    priced = owned.estimate_synthetic(*SETS, epsilon=0.25)
    assert [table["name"] for table in priced["tables"]] == ["sex × race", "dzgroup"]
    assert [effect["balance"]["scope"] for effect in priced["effects"]] == ["population", "dataset"]
    assert all(0 < effect["epsilon_before"] < effect["epsilon_after"] for effect in priced["effects"])
    mock = owned.propose_synthetic(*SETS, epsilon=0.25)
    assert (mock.status, mock.epsilon) == ("proposed", "0.25")
    with pytest.raises(gridhouse.NotAllowed):
        mock.confirm()
    assert all(each.id != mock.id for each in connect("sam").dataset("support2").synthetic_mocks())
    seen = next(each for each in connect("rita").dataset("support2").synthetic_mocks() if each.id == mock.id)
    assert seen.data["estimate"]["fits"]
    assert seen.confirm().status == "confirmed"
    with pytest.raises(gridhouse.IllegalMove):
        seen.confirm()
    with pytest.raises(gridhouse.IllegalMove):
        mock.withdraw()
    assert mock.refresh().data["estimate"] is None


def test_it_is_declined_with_a_reason_or_withdrawn(connect, node, published):
    owned = connect("alice").owned_dataset("support2")
    owned.propose_synthetic(epsilon="0.1", sql=JSON)
    seen = connect("rita").dataset("support2").synthetic_mocks()[0]
    assert seen.decline("The cap is for studies.").data["reason"] == "The cap is for studies."
    again = owned.propose_synthetic(epsilon="0.1", sql=JSON)
    assert again.withdraw().status == "withdrawn"
    with pytest.raises(gridhouse.IllegalMove):
        again.wait()


def test_waiting_lasts_until_the_rows_are_there(connect, node, published, monkeypatch):
    mock = connect("alice").owned_dataset("support2").propose_synthetic(*SETS, epsilon=0.25)
    connect("rita").dataset("support2").synthetic_mocks()[0].confirm()
    with pytest.raises(gridhouse.WaitTimedOut):
        mock.wait(timeout=0)

    def let_it_go(seconds):
        row = SyntheticMock.objects.get(pk=mock.id)
        SyntheticMock.objects.filter(pk=row.pk).update(status="lapsed", status_code="no_worker_finished")

    monkeypatch.setattr(synthetic.time, "sleep", let_it_go)
    with pytest.raises(gridhouse.IllegalMove) as ended:
        mock.wait()
    assert ended.value.code == "no_worker_finished"


@pytest.mark.parametrize("who", ["sam", "charlie"])
def test_everybody_gets_the_synthetic_grade_and_it_says_what_it_is(connect, node, published, who):
    dataset = connect(who).dataset("support2")
    assert dataset.data["synthetic"].startswith("DP synthetic, ε = 0.5, published on ")
    frame = dataset.mock(grade="synthetic")
    assert list(frame.columns) == ["sex", "race", "dzgroup"]
    assert len(dataset.mock().columns) > 3  # the plain grade stays what it was
    mock = dataset.synthetic_mock()
    assert mock.wait().id == published
    assert mock.to_csv() == dataset.mock_csv(grade="synthetic")
    assert set(mock.closeness()) >= {"sex × race", "dzgroup", "sex"}
    assert mock.data["report"]["rows"] == len(frame)
    assert repr(mock).startswith("<SyntheticMock of support2: DP synthetic, ε = 0.5")


def test_the_parquet_file_holds_the_same_rows(connect, node, published, tmp_path):
    mock = connect("sam").dataset("support2").synthetic_mock()
    file = tmp_path / "rows.parquet"
    file.write_bytes(mock.to_parquet())
    with duckdb.connect() as connection:
        count = connection.execute(f"SELECT COUNT(*) FROM read_parquet('{file}')").fetchone()[0]
    assert count == len(io.BytesIO(mock.to_csv()).readlines()) - 1


def test_what_was_retracted_is_served_no_more(connect, node, published):
    owner, dataset = connect("alice"), connect("sam").dataset("support2")
    with pytest.raises(gridhouse.NotAllowed):
        dataset.synthetic_mock().retract("Not mine.")
    mock = owner.dataset("support2").synthetic_mock().retract("A table says too much.")
    assert mock.status == "retracted"
    for ask in (lambda: dataset.mock_csv(grade="synthetic"), dataset.synthetic_mock, mock.to_csv):
        with pytest.raises(gridhouse.NotFound):
            ask()
    assert dataset.refresh().data["synthetic"] is None
    assert dataset.synthetic_mocks()[0].data["retracted_reason"] == "A table says too much."
    assert dataset.mock_csv()


def test_an_unknown_grade_is_refused_and_one_table_has_no_synthetic_rows(connect, node, published):
    dataset = connect("sam").dataset("support2")
    with pytest.raises(gridhouse.InvalidInput):
        dataset.mock_csv(grade="golden")
    with pytest.raises(gridhouse.NotFound):
        dataset.mock_csv("support2", grade="synthetic")


# --- The pages, without JavaScript ---------------------------------------------------------------------------------


def test_the_page_prices_proposes_and_confirms(node, published):
    alice, rita = browser("alice"), browser("rita")
    place = reverse("synthetic_mocks", args=["support2"])
    form = {"sql": JSON, "epsilon": "0.25"}
    page = alice.post(place, form | {"do": "price"})
    assert kit.faults(page.content.decode()) == []
    assert "sex × race" in text(page)
    assert re.search(r"ε 0\.5\S* → 0\.5\S* of", text(page)), "before → after"
    assert SyntheticMock.objects.count() == 1  # a price is no proposal
    sent = alice.post(place, form | {"do": "propose"}, follow=True)
    assert "nothing was charged yet" in text(sent)
    assert "Withdraw the proposal" in text(sent)
    assert "Yes, confirm it" not in text(sent)
    mock = SyntheticMock.objects.get(status="proposed")
    assert "Confirm synthetic rows" in text(rita.get("/"))
    seen = rita.get(reverse("synthetic_mock", args=["support2", mock.pk]))
    assert kit.faults(seen.content.decode()) == []
    assert "Yes, confirm it" in text(seen)
    done = rita.post(reverse("synthetic_confirm", args=["support2", mock.pk]), follow=True)
    assert "A worker measures its tables now." in text(done)
    assert "Confirm synthetic rows" not in text(rita.get("/"))
    mock.refresh_from_db()
    assert (mock.status, mock.decided_by) == ("confirmed", make.person("rita"))


def test_a_refusal_stands_on_the_form_and_nothing_is_proposed(node, published):
    place = reverse("synthetic_mocks", args=["support2"])
    form = {"sql": "SELECT COUNT(*) AS n FROM support2", "epsilon": "0.25", "do": "propose"}
    page = browser("alice").post(place, form)
    assert page.status_code == 422
    assert "name the marginals" in text(page)
    assert not SyntheticMock.objects.filter(status="proposed").exists()
    assert browser("rita").post(place, {"sql": JSON, "epsilon": "0.25", "do": "propose"}).status_code == 403


def test_declining_and_withdrawing_on_the_page(node, published):
    alice, rita = browser("alice"), browser("rita")
    dataset = node.access().dataset
    for who, move, sent, ends in (
        (rita, "decline", {}, "proposed"),
        (rita, "decline", {"reason": "Too dear."}, "declined"),
        (alice, "withdraw", {}, "withdrawn"),
    ):
        mock = SyntheticMock.objects.filter(status="proposed").first() or actions.propose(
            dataset, sql=JSON, epsilon="0.1", by=make.person("alice")
        )
        answer = who.post(reverse(f"synthetic_{move}", args=["support2", mock.pk]), sent)
        assert answer.status_code == (422 if ends == "proposed" else 302)
        mock.refresh_from_db()
        assert mock.status == ends
        page = alice.get(reverse("synthetic_mock", args=["support2", mock.pk]))
        assert kit.faults(page.content.decode()) == []


def test_everybody_sees_and_downloads_the_rows_on_the_dataset_s_page(node, published):
    charlie = browser("charlie")
    page = charlie.get(reverse("dataset", args=["support2"]))
    assert kit.faults(page.content.decode()) == []
    assert "DP synthetic, ε = 0.5, published on" in text(page)
    assert "Propose synthetic rows" not in text(page)
    file = charlie.get(reverse("synthetic_rows_csv", args=["support2", published]))
    assert b"".join(file.streaming_content).startswith(b'"sex","race","dzgroup"')
    assert "dp-synthetic-epsilon-0.5.csv" in file["Content-Disposition"]
    parquet = charlie.get(reverse("synthetic_rows_parquet", args=["support2", published]))
    assert b"".join(parquet.streaming_content).startswith(b"PAR1")
    report = charlie.get(reverse("synthetic_mock", args=["support2", published]))
    assert kit.faults(report.content.decode()) == []
    assert "How near the rows come" in text(report)
    assert "Retract" not in text(report)


def test_an_owner_retracts_on_the_page(node, published):
    alice = browser("alice")
    address = reverse("synthetic_retract", args=["support2", published])
    assert alice.post(address, {"reason": ""}).status_code == 422
    done = alice.post(address, {"reason": "A table says too much."}, follow=True)
    assert "what they cost stays spent" in text(done)
    assert kit.faults(done.content.decode()) == []
    assert alice.get(reverse("synthetic_rows_csv", args=["support2", published])).status_code == 404
    assert "There are none now." in text(alice.get(reverse("dataset", args=["support2"])))
