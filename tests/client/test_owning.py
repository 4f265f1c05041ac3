"""Owners, reviewers and administrators from Python: a dataset is made, a project decided, a budget given."""

import sys
from datetime import timedelta

import gridhouse
import pytest
from django.utils import timezone
from gridhouse import datasets

from tests import hospital, make


@pytest.fixture(autouse=True)
def _worker(monkeypatch):
    """Let a worker do what is due whenever the client pauses."""
    monkeypatch.setattr(datasets.time, "sleep", lambda seconds: make.run_jobs())


@pytest.fixture
def alice(connect):
    return connect("alice")


@pytest.fixture
def described(alice):
    """Return a dataset of Alice's that has no file yet."""
    return alice.create_dataset(
        area="intensive-care", population="SUPPORT2 patients", title="Second study", slug="second", tick="0.5"
    )


def csv_of(folder, rows=100):
    path = folder / "support2.csv"
    path.write_bytes(make.support2_csv(rows))
    return path


def test_a_dataset_is_made_from_a_file_to_its_publication(described, connect, tmp_path):
    found = described.upload(csv_of(tmp_path))
    assert "age" in str(found["findings"])
    described.declare(**make.declaration())
    assert described.conform()["status"] == "conformed"
    assert described.publish(attested=True, dataset_epsilon=1.5)["status"] == "published"
    assert described.area == "intensive-care"

    seen = connect("sam").dataset("second")
    assert {column["name"] for column in seen.schema} >= {"age", "sex"}
    assert {"age", "sex"} <= set(seen.mock().columns)
    assert 1.49 < described.budget()["epsilon_limit"] <= 1.5
    with pytest.raises(gridhouse.InvalidInput, match="Propose a project"):
        seen.sql("SELECT COUNT(*) AS n FROM second", epsilon=0.1)


def test_nothing_is_published_without_the_owners_word(described, tmp_path):
    described.upload(csv_of(tmp_path))
    described.declare(**make.declaration())
    described.conform()
    with pytest.raises(gridhouse.GridhouseError):
        described.publish(attested=False, dataset_epsilon=1)
    assert described.refresh().data["status"] == "draft"


def test_a_file_that_is_none_is_refused_in_words(described, tmp_path):
    path = tmp_path / "broken.csv"
    path.write_bytes(b"a,b\n1\n")
    with pytest.raises(gridhouse.InvalidInput, match="more or fewer values") as caught:
        described.upload(path)
    assert caught.value.code == "ragged_rows"


def test_conforming_comes_after_a_file(described):
    with pytest.raises(gridhouse.IllegalMove):
        described.conform()


def test_others_can_neither_upload_nor_declare(described, connect, tmp_path):
    for name in ("sam", "charlie", "rita"):
        with pytest.raises((gridhouse.NotFound, gridhouse.NotAllowed)):
            connect(name).owned_dataset("support2").upload(csv_of(tmp_path))
        with pytest.raises(gridhouse.NotFound):
            connect(name).dataset("second")


# --- Projects and budgets --------------------------------------------------------------------------------------


@pytest.fixture
def proposed(connect):
    """Return Sam's second project on SUPPORT2, handed in."""
    project = connect("sam").propose_project(
        area="intensive-care",
        title="Second question",
        lay_summary="What else we ask.",
        purpose="Health services research.",
        datasets=["support2"],
    )
    return project.submit()


def test_a_project_is_proposed_approved_and_given_a_budget(proposed, connect):
    assert connect("rita").project(proposed.id).approve().status == "approved"
    (grant,) = connect("ada").project(proposed.id).grants
    assert grant.allocate(epsilon=0.5, valid_days=30).status == "granted"
    rows = {row["scope"]: row for row in connect("sam").budget(grant.id)}
    assert 0.49 < rows["grant"]["epsilon_limit"] <= 0.5
    assert proposed.refresh().grants[0].status == "granted"


def test_two_grants_on_a_dataset_are_told_apart(proposed, connect):
    connect("rita").project(proposed.id).approve()
    grant = connect("ada").project(proposed.id).grants[0].allocate(epsilon=0.5)
    dataset = connect("sam").dataset("support2")
    with pytest.raises(gridhouse.InvalidInput, match=r"grant=.*Second question"):
        dataset.sql("SELECT COUNT(*) AS n FROM support2", epsilon=0.1)
    assert dataset.sql("SELECT COUNT(*) AS n FROM support2", epsilon=0.1, grant=grant).estimate().fits


def test_one_grant_is_found_by_itself(node, connect):
    query = connect("sam").dataset("support2").sql("SELECT COUNT(*) AS n FROM support2", epsilon="0.1")
    assert query.grant == node.grant


def test_a_project_is_sent_back_edited_and_handed_in_again(proposed, connect):
    connect("rita").project(proposed.id).request_changes("Say what care means.")
    proposed.refresh().edit(lay_summary="What care costs.").submit()
    assert proposed.data["lay_summary"] == "What care costs."


def test_an_application_is_answered_reviewed_by_section_and_handed_in_again(proposed, connect):
    seen = connect("rita").project(proposed.id)
    seen.review_section("aims", "change", "Which care?")
    seen.request_changes("See the note.")
    again = proposed.refresh().answer(purpose_codes=["health"], funding="The council")
    assert again.application()["answers"]["purpose_codes"] == ["health"]
    newest, first = again.submit().versions()
    assert newest["content"]["answers"]["funding"] == "The council"
    assert [row["note"] for row in first["sections"]] == ["Which care?"]


def test_an_amendment_is_sent_back_and_approved_while_the_project_goes_on(proposed, connect):
    rita = connect("rita").project(proposed.id)
    rita.approve()
    sam = connect("sam").project(proposed.id)
    assert sam.amend("More nights.", title="At night", answers={"funding": "The city"})["amends"] == 1
    assert rita.decide_amendment("request_changes", "Which city?")["status"] == "changes_requested"
    assert sam.amend("Ulm, that is.", answers={"funding": "Ulm"})["status"] == "in_review"
    assert sam.refresh().title != "At night"
    assert rita.decide_amendment("approve")["status"] == "approved"
    assert sam.refresh().title == "At night"
    assert (
        sam.renew("Half is done.", f"{timezone.now() + timedelta(days=500):%Y-%m-%d}")["status"]
        == "in_review"
    )


def test_a_vote_on_an_older_version_does_not_count(proposed, connect):
    seen = connect("rita").project(proposed.id)
    connect("rita").project(proposed.id).request_changes("Less.")
    proposed.refresh().edit(purpose="Other.").submit()
    with pytest.raises(gridhouse.IllegalMove) as caught:
        seen.approve()
    assert caught.value.code == "stale"


def test_more_than_the_datasets_cap_cannot_be_allocated(proposed, connect):
    connect("rita").project(proposed.id).approve()
    with pytest.raises(gridhouse.InvalidInput):
        connect("ada").project(proposed.id).grants[0].allocate(epsilon=4)


@pytest.mark.parametrize("name", ["sam", "alice", "rita"])
def test_nobody_but_an_administrator_allocates(proposed, connect, name):
    connect("rita").project(proposed.id).approve()
    with pytest.raises(gridhouse.NotAllowed):
        connect(name).project(proposed.id).grants[0].allocate(epsilon=0.5)


# --- The catalogue, oneself, the log ---------------------------------------------------------------------------


def test_the_catalogue_is_searched_and_knows_its_schema(connect):
    (found,) = connect("charlie").datasets(search="support2")
    assert {column["name"] for column in found.schema} >= {"age", "sex"}
    assert list(connect("charlie").datasets(search="nothing like it")) == []


def test_one_sees_who_one_is(connect):
    me = connect("sam").me()
    assert (me["name"], me["roles"]) == ("Sam Scientist", ["scientist"])


def test_lists_of_projects_grants_and_budgets_concern_the_caller(node, connect):
    assert [project.title for project in connect("sam").projects()] == ["Costs"]
    assert [grant.id for grant in connect("sam").grants()] == [node.grant]
    assert {row["scope"] for row in connect("sam").budgets()} >= {"dataset", "grant"}
    charlie = connect("charlie")
    assert list(charlie.projects()) == list(charlie.grants()) == charlie.budgets() == []


def test_an_auditor_exports_the_log_and_anyone_reads_its_checkpoint(connect):
    from gridhouse import verify

    theo = connect("theo")
    lines, note = theo.export().splitlines(), connect("charlie").checkpoint()
    assert verify.verify_log(lines, note, theo.log_key()["public_key"]).size == len(lines)
    assert next(theo.events(event="grant.allocated"))["event"] == "grant.allocated"
    assert theo.consistency(1)["old"] == 1
    with pytest.raises(gridhouse.NotAllowed):
        connect("sam").export()


# --- Extras ----------------------------------------------------------------------------------------------------


def test_without_pandas_the_client_says_how_to_get_it(connect, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(gridhouse.MissingExtra, match=r"gridhouse\[pandas\]"):
        connect("sam").dataset("support2").mock()
    assert connect("sam").dataset("support2").mock_csv().startswith(b"age,")


def test_importing_the_client_brings_neither_pandas_nor_cryptography_nor_django():
    import subprocess

    code = (
        "import sys, gridhouse; "
        "print(sorted({'pandas', 'cryptography', 'django', 'domains', 'portal'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="client"
    )
    assert done.stdout.strip() == "[]"


def test_a_dataset_of_several_tables_is_made_and_read(described, connect, tmp_path):
    words = {**hospital.main_words(), "columns": hospital.main_words()["columns"]}
    described.declare(**words)
    described.upload(csv_of(tmp_path))
    assert described.conform()["status"] == "conformed"
    for name, data, terms in (
        ("visits", hospital.visits_csv(100), hospital.VISITS),
        ("groups", hospital.groups_csv(), hospital.GROUPS),
        ("wards", b"ward\n1\n", {}),
    ):
        described.add_table(name, is_public=name != "visits")
        path = tmp_path / f"{name}.csv"
        path.write_bytes(data)
        described.upload(path, table=name)
        if terms:
            described.declare(table=name, **terms)
            assert described.conform()["status"] == "conformed"
    described.remove_table("wards")
    described.publish(attested=True, dataset_epsilon=1)

    seen = connect("sam").dataset("second")
    assert list(seen.tables) == ["second", "visits", "groups"]
    assert (seen.tables["groups"]["key"], seen.tables["visits"]["unit_column"]) == ("dzgroup", "sno")
    joined = seen.mock().merge(seen.mock(table="visits"), on="sno").merge(seen.mock("groups"), on="dzgroup")
    assert len(joined) > 100
    with pytest.raises(gridhouse.NotFound):
        seen.mock_csv("wards")
