"""Synthetic mocks: who may do what, what it costs and whom, what a failure costs, what the files are made of."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import duckdb
import pytest
from django.db import transaction
from django.utils import timezone

from domains.audit import checkpoints
from domains.audit.models import AuditEvent
from domains.catalog import actions as catalog
from domains.catalog import storage
from domains.errors import BudgetExhausted, DomainError, IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.jobs import actions as jobs
from domains.jobs import queries as job_queries
from domains.jobs import tasks
from domains.jobs.children import Child, ChildFailed
from domains.jobs.lifecycle import JobStatus
from domains.jobs.models import Job, JobKind
from domains.ledger import protocol as ledger
from domains.ledger import queries as books
from domains.notices.models import Notice
from domains.requests import execution
from domains.synthetic import actions, making, measuring, queries, upkeep
from privacy.errors import QueryRejected
from privacy.query.answer import Answer
from privacy.workload import publish
from privacy.workload.answer import tables
from privacy.workload.model import Model
from tests import make
from tests.domains.ledger import world
from tests.domains.requests.test_running import Failing
from tests.domains.synthetic.conftest import MARGINALS, held, reload

PEOPLE = ("alice", "olga", "rita", "sam", "charlie", "ada", "theo")
# Alice proposed. What each person is answered; None is done.
MOVES = {
    "propose": {
        "alice": None,
        "olga": None,
        "rita": 403,
        "sam": 403,
        "charlie": 403,
        "ada": 403,
        "theo": 403,
    },
    "confirm": {
        "alice": 403,
        "olga": None,
        "rita": None,
        "sam": 404,
        "charlie": 404,
        "ada": 403,
        "theo": 403,
    },
    "decline": {
        "alice": 403,
        "olga": None,
        "rita": None,
        "sam": 404,
        "charlie": 404,
        "ada": 403,
        "theo": 403,
    },
    "withdraw": {
        "alice": None,
        "olga": 403,
        "rita": 403,
        "sam": 404,
        "charlie": 404,
        "ada": 403,
        "theo": 403,
    },
}
SEEN = {"alice": True, "olga": True, "rita": True, "ada": True, "theo": True, "sam": False, "charlie": False}


def answered(act) -> int | None:
    """Return the status that an action's refusal has, or None where it was done."""
    try:
        act()
    except (NotAllowed, NotFound) as error:
        return 403 if isinstance(error, NotAllowed) else 404
    return None


@contextmanager
def undone():
    """Roll back what was done; the actions inside still believe to be outermost, as under TestCase."""
    block = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("move", MOVES)
def test_each_move_is_for_those_whom_the_table_names(dataset, propose, cast, move):
    found, before = {}, held(dataset)
    mock = None if move == "propose" else propose()
    words = {"reason": "Too dear."} if move == "decline" else {}
    for who in PEOPLE:
        with undone():
            if mock is None:
                found[who] = answered(lambda who=who: propose(by=who))
            else:
                twin = reload(mock)
                found[who] = answered(
                    lambda twin=twin, who=who: getattr(actions, move)(twin, **words, by=cast[who])
                )
            if move != "confirm" or found[who]:
                assert held(dataset) == before  # nothing but a confirmation touches a budget
    assert found == MOVES[move]


def test_a_proposal_is_a_matter_of_those_who_decide(dataset, propose, cast):
    mock = propose()
    assert {who: mock in queries.mocks(dataset, cast[who]) for who in PEOPLE} == SEEN
    with pytest.raises(NotFound):
        queries.mock(dataset, mock.pk, cast["sam"])


def test_a_proposal_says_beforehand_what_it_costs_and_how_exact_it_is(dataset, cast):
    found = queries.estimate(dataset, sql=MARGINALS, epsilon="0.5", by=cast["alice"])
    assert [output.name for output in found.specification.pricing.outputs] == [
        "sex × race",
        "dzgroup",
        "death × sex",
    ]
    assert all(output.plus_minus_95 for output in found.specification.pricing.outputs)
    assert [effect.balance.scope for effect in found.effects] == ["population", "dataset"]
    assert all(effect.epsilon_before < effect.epsilon_after < 1.1 for effect in found.effects)
    assert found.fits
    assert held(dataset) == [("population", 0, 0), ("dataset", 0, 0)]
    with pytest.raises(NotAllowed):
        queries.estimate(dataset, sql=MARGINALS, epsilon="0.5", by=cast["rita"])


def test_a_confirmation_reserves_under_two_accounts_and_under_no_grant(dataset, confirmed):
    rho = confirmed.rho
    assert held(dataset) == [("population", rho, 0), ("dataset", rho, 0)]
    charge = books.charge(confirmed.charge_id)
    assert (charge.state, charge.loss.rho, charge.grant, charge.person) == ("RESERVED", rho, None, None)
    assert (confirmed.job.kind, confirmed.job.charge_id) == (JobKind.MEASUREMENT, charge.id)
    assert world.faults() == []


def test_a_grant_s_and_its_person_s_budget_stay_whole(node, confirmed):
    grant = node.access()
    untouched = {b.scope: (b.reserved.rho, b.spent.rho) for b in books.balances(grant, node.user("sam"))}
    assert (untouched["grant"], untouched["person"]) == ((0, 0), (0, 0))


def test_each_move_is_in_the_log_and_tells_those_it_concerns(dataset, propose, cast):
    mock = propose()
    actions.decline(mock, reason="The cap is for studies.", by=cast["rita"])
    again = propose(by="olga")
    actions.confirm(again, by=cast["alice"])
    events = AuditEvent.objects.filter(subject__in=[mock.pk, again.pk]).order_by("index")
    assert [row.event for row in events] == [
        "synthetic.proposed", "synthetic.declined", "synthetic.proposed", "synthetic.confirmed",
    ]  # fmt: skip
    told = Notice.objects.filter(event__startswith="synthetic.").values_list("recipient__name", "event")
    assert {("Rita Reviewer", "synthetic.proposed"), ("Olga", "synthetic.proposed")} <= set(told)
    assert ("Alice Owner", "synthetic.declined") in told
    assert ("Olga", "synthetic.confirmed") in told
    assert not {name for name, _ in told} & {"Sam Scientist", "Charlie Stranger"}


def test_it_waits_for_the_second_person_alone(propose, cast):
    propose()
    waits = {who for who in PEOPLE if queries.waiting(cast[who]).exists()}
    assert waits == {"rita", "olga"}


def test_a_cap_that_does_not_hold_it_refuses_with_nothing_lost(dataset, propose, cast):
    mock = propose("2.999")  # of a cap of 3, of which the module's own mock has taken 0.5
    before = held(dataset)
    assert not queries.estimate_of(mock).fits
    with undone(), pytest.raises(BudgetExhausted):
        actions.confirm(reload(mock), by=cast["rita"])
    assert held(dataset) == before
    assert (reload(mock).status, reload(mock).charge_id) == ("proposed", None)
    assert not Job.objects.filter(subject=mock.pk).exists()
    assert world.faults() == []


def test_of_two_confirmations_one_is_done_and_charged_once(dataset, propose, cast):
    mock = propose()
    late = reload(mock)
    actions.confirm(mock, by=cast["rita"])
    once = held(dataset)
    for stale in (mock, late):
        with pytest.raises(IllegalMove):
            actions.confirm(stale, by=cast["olga"])
    assert held(dataset) == once
    assert Job.objects.filter(subject=mock.pk).count() == 1


@pytest.mark.parametrize("move", ["confirm", "decline", "withdraw", "retract"])
def test_what_was_withdrawn_stays_withdrawn(propose, cast, move):
    mock = propose()
    actions.withdraw(mock, by=cast["alice"])
    words = {"reason": "No."} if move in ("decline", "retract") else {}
    by = cast["alice" if move in ("withdraw", "retract") else "rita"]
    with pytest.raises(IllegalMove):
        getattr(actions, move)(mock, **words, by=by)


def test_one_proposal_of_a_version_waits_at_a_time(propose, cast):
    mock = propose()
    with pytest.raises(InvalidInput) as caught:
        propose(by="olga")
    assert caught.value.code == "mock_waiting"
    actions.withdraw(mock, by=cast["alice"])
    assert propose(by="olga").status == "proposed"


def test_declining_takes_a_reason(propose, cast):
    with pytest.raises(InvalidInput):
        actions.decline(propose(), reason="  ", by=cast["rita"])


@pytest.mark.parametrize(
    ("sql", "epsilon", "code"),
    [
        ("SELECT COUNT(*) AS n FROM support2", "0.5", "marginals_missing"),
        (MARGINALS, "0", "epsilon_invalid"),
        (MARGINALS, "11", "epsilon_invalid"),
        ('{"marginals": [["no_such_column"]]}', "0.5", "unknown_column"),
        ('{"marginals": [["age"]]}', "0.5", "group_unbounded"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anybody_decides(propose, sql, epsilon, code):
    with pytest.raises((DomainError, QueryRejected)) as caught:
        propose(epsilon, sql=sql)
    assert caught.value.code == code


def test_tables_whose_rows_could_not_be_drawn_are_refused_before_they_are_paid_for(propose):
    names = ["sex", "race", "dzgroup", "death", "dzclass", "income", "ca", "hospdead"]
    bins = {"age": list(range(20, 100, 2)), "num_co": list(range(1, 9)), "scoma": list(range(10, 100, 10))}
    names += list(bins)
    pairs = [[a, b] for place, a in enumerate(names) for b in names[place + 1 :]]
    with pytest.raises(QueryRejected) as caught:
        propose(sql=json.dumps({"marginals": pairs[:64], "bins": bins}))
    assert caught.value.code == "model_too_wide"


def test_a_frozen_dataset_is_neither_proposed_nor_confirmed(dataset, propose, cast):
    mock = propose()
    catalog.freeze(dataset, reason="An incident.", by=cast["alice"])
    with pytest.raises(IllegalMove) as caught:
        actions.confirm(reload(mock), by=cast["rita"])
    assert caught.value.code == "not_published"
    actions.withdraw(mock, by=cast["alice"])
    with pytest.raises(IllegalMove):
        propose()


def test_a_price_that_changed_is_another_proposal(propose, cast, monkeypatch):
    mock = propose()
    monkeypatch.setattr("domains.requests.specification.ENGINE", "another engine")
    with pytest.raises(IllegalMove) as caught:
        actions.confirm(mock, by=cast["rita"])
    assert caught.value.code == "stale"


def test_who_lost_their_role_decides_nothing(propose, cast, dataset):
    mock = propose(by="olga")
    seat = dataset.stewards.get(user=cast["olga"], ended_at=None)
    catalog.end_steward(seat, by=cast["alice"])
    with pytest.raises((NotAllowed, NotFound)):
        actions.withdraw(reload(mock), by=cast["olga"])
    actions.decline(reload(mock), reason="Nobody stands behind it.", by=cast["alice"])


# --- Measured, made, published, retracted -----------------------------------------------------------------------

COLUMNS = ["sex", "race", "dzgroup", "death"]


def rows_of(mock):
    text = queries.path_of(mock, "csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def made_by(mock):
    """Return the job that made a mock's rows."""
    return Job.objects.get(kind=JobKind.SYNTHESIS, subject=mock.pk)


class Planted(Failing):
    """A child that measures nothing and returns the answer that a real one gave for the module's own mock."""

    def __init__(self, mock) -> None:
        self.step, self.payload, self.draws = "", books.answer(mock.charge_id), 0

    def go(self, payload, *, timeout):
        self.draws += 1
        return self.payload


@pytest.fixture
def planted(published, monkeypatch) -> Planted:
    """Put such a child in the place of those that measure."""
    child = Planted(published)
    monkeypatch.setattr(execution, "Child", child)
    monkeypatch.setattr(execution, "_sleep_until", lambda moment: None)
    return child


def test_confirmed_rows_are_measured_charged_and_published(dataset, published, cast):
    rho = published.rho
    assert published.status == "published"
    assert held(dataset) == [
        ("population", 0, 0),
        ("dataset", 0, 0),
    ]  # beyond the module's own, which is this
    assert [effect.before.rho for effect in books.effect_for_everybody(dataset, published.loss)] == [rho, rho]
    assert world.faults() == []
    charge = books.charge(published.charge_id)
    assert (charge.state, charge.grant, charge.person) == ("COMMITTED", None, None)
    assert published.answer_sha256 == books.answer_sha256(charge.id)
    assert published.label.startswith("DP synthetic, ε = 0.5, published on ")
    assert queries.shown(dataset).pk == published.pk
    for who in ("sam", "charlie", "theo", "olga"):
        assert published in queries.mocks(dataset, cast[who])
    model = Model.from_bytes(job_queries.result(made_by(published)))
    assert [each.name for each in model.attributes] == COLUMNS
    order = [
        row.event
        for row in AuditEvent.objects.order_by("index")
        if row.event.startswith(("charge", "answer", "syn"))
    ]
    assert order == [
        "synthetic.proposed", "charge.reserved", "synthetic.confirmed", "charge.committed",
        "answer.persisted", "synthetic.measured", "synthetic.published",
    ]  # fmt: skip


def test_its_files_hold_the_same_rows_and_say_what_paid_for_them(published):
    rows, report = rows_of(published), published.report
    assert list(rows[0]) == COLUMNS == report["columns"]
    assert len(rows) == report["rows"]
    parquet = str(queries.path_of(published, "parquet"))
    assert storage.digest(queries.path_of(published, "parquet")) == published.file_sha256
    with duckdb.connect() as connection:
        stored = connection.execute(f"SELECT * FROM read_parquet('{parquet}')").fetchall()
        label = connection.execute(f"SELECT key, value FROM parquet_kv_metadata('{parquet}')").fetchall()
    assert (publish.LABEL.encode(), b"0.5") in label
    texts = {None: "", True: "true", False: "false"}
    assert [tuple(texts.get(cell, cell) for cell in row) for row in stored] == [
        tuple(row.values()) for row in rows
    ]
    assert "epsilon-0.5" in queries.filename(published, "csv")


def test_its_report_is_of_the_released_tables_and_their_noise(published):
    answer = Answer.from_bytes(books.answer(published.charge_id))
    released = dict(tables(answer))["dzgroup"]
    noisy = {str(row[0]): int(row[1]) for row in released.rows}
    own = Counter(row["dzgroup"] for row in rows_of(published))
    total, count = sum(noisy.values()), sum(own.values())
    names = noisy.keys() | own.keys()
    expected = 0.5 * sum(abs(own[n if n != "None" else ""] / count - noisy.get(n, 0) / total) for n in names)
    found = {each["name"]: each["distance"] for each in published.closeness}
    assert found["dzgroup"] == pytest.approx(expected, abs=1e-5)
    assert set(found) >= {"sex × race", "dzgroup", "death × sex", "race"}
    assert all(0 <= distance <= 1 for distance in found.values())


def test_nothing_but_the_released_tables_makes_the_files(published, tmp_path):
    """The same answer gives the same bytes, with no private file to be found; another answer gives others."""
    spec = made_by(published).spec
    answer = books.answer(published.charge_id).decode()
    for path in storage.paths_of(published.version).values():
        path.unlink()  # whatever would read the data fails from here on
    again = [made(spec, answer, tmp_path / str(n)) for n in range(2)]
    first = {kind: queries.path_of(published, kind).read_bytes() for kind in ("parquet", "csv")}
    assert again == [first, first]
    other = json.loads(answer)
    other["rows"][0][-1] = str(int(other["rows"][0][-1]) + 40)
    assert made(spec, json.dumps(other), tmp_path / "other") != first


def made(spec, answer, folder):
    """Return the bytes that one run of the making writes."""
    folder.mkdir()
    files = {kind: folder / f"rows.{kind}" for kind in ("parquet", "csv")}
    with Child("synthesis", spec, memory_mb=1024, seconds=60, file_mb=64) as child:
        child.prepared(20)
        child.go({"answer": answer, **{kind: str(file) for kind, file in files.items()}}, timeout=40)
    return {kind: file.read_bytes() for kind, file in files.items()}


def test_a_measurement_is_drawn_once_however_often_it_is_delivered(confirmed, dataset, planted):
    make.run_jobs()
    spent = held(dataset)
    make.run_jobs()
    tasks.run(confirmed.job_id)
    assert planted.draws == 1
    assert held(dataset) == spent == [("population", 0, confirmed.rho), ("dataset", 0, confirmed.rho)]


@pytest.mark.parametrize("step", ["start", "prepared"])
def test_a_passing_failure_before_data_is_tried_again(confirmed, dataset, monkeypatch, step):
    monkeypatch.setattr(execution, "Child", Failing(step, ChildFailed("no_fork_server", is_passing=True)))
    make.run_jobs()
    assert (reload(confirmed).status, reload(confirmed).job.status) == ("confirmed", JobStatus.QUEUED)
    assert held(dataset)[0] == ("population", confirmed.rho, 0)


def test_a_lasting_failure_before_data_gives_everything_back(confirmed, dataset, monkeypatch):
    monkeypatch.setattr(execution, "Child", Failing("prepared", ChildFailed("loss_exceeded")))
    make.run_jobs()
    mock = reload(confirmed)
    assert (mock.status, mock.status_code) == ("lapsed", "loss_exceeded")
    assert held(dataset) == [("population", 0, 0), ("dataset", 0, 0)]
    assert world.faults() == []


def test_a_failure_after_data_was_opened_stays_spent(confirmed, dataset, monkeypatch):
    monkeypatch.setattr(execution, "Child", Failing("go", ChildFailed("computation_failed")))
    make.run_jobs()
    mock = reload(confirmed)
    assert (mock.status, mock.status_code) == ("failed", "no_answer")
    assert timezone.now() >= mock.job.due_at  # nobody learnt of it before the deadline
    assert books.charge(mock.charge_id).state == "BURNT"
    assert held(dataset) == [("population", 0, mock.rho), ("dataset", 0, mock.rho)]
    assert world.faults() == []


class Died(Exception):
    """The worker's process ended here."""


def dies(*args, **kwargs):
    raise Died


def after_its_lease(mock):
    """Do what the sweeps do once the lease of a dead worker's job is over."""
    later = reload(mock).job.lease_until + timedelta(seconds=1)
    jobs.expire(later)
    ledger.sweep(later)
    upkeep.sweep(later)
    upkeep.sweep(later)  # idempotent
    return reload(mock)


def test_a_worker_that_dies_between_charge_and_answer_leaves_a_burnt_charge_and_no_second_draw(
    confirmed, dataset, planted, monkeypatch
):
    with monkeypatch.context() as dying:
        dying.setattr(ledger, "persist", dies)
        make.run_jobs()
    assert reload(confirmed).job.status == JobStatus.DATA_OPEN
    assert books.charge(confirmed.charge_id).state == "COMMITTED"  # before the draw, and durably
    make.run_jobs()
    mock = after_its_lease(confirmed)
    make.run_jobs()
    assert (mock.status, mock.status_code) == ("failed", "no_answer")
    assert books.charge(mock.charge_id).state == "BURNT"
    assert planted.draws == 1
    assert books.answer(mock.charge_id) is None
    assert held(dataset) == [("population", 0, mock.rho), ("dataset", 0, mock.rho)]
    assert world.faults() == []


def test_the_charge_is_committed_before_the_data_are_opened(confirmed, planted, monkeypatch):
    seen = []
    monkeypatch.setattr(
        storage, "paths_of", lambda version: seen.append(books.charge(confirmed.charge_id).state) or {}
    )
    make.run_jobs()
    assert seen == ["COMMITTED"]


def test_an_answer_that_was_stored_before_its_worker_died_is_gone_on_with(
    confirmed, dataset, planted, monkeypatch
):
    with monkeypatch.context() as dying:
        dying.setattr(jobs, "finish", dies)
        make.run_jobs()
    assert reload(confirmed).status == "confirmed"
    mock = after_its_lease(confirmed)
    assert mock.status == "measured"
    make.run_jobs("workloads")
    assert reload(mock).status == "published"
    assert held(dataset)[1] == ("dataset", 0, mock.rho)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda mock, cast: Job.objects.filter(pk=mock.job_id).update(spec={}), "specification_changed"),
        (
            lambda mock, cast: catalog.freeze(mock.dataset, reason="Stop.", by=cast["alice"]),
            "dataset_stopped",
        ),
    ],
)
def test_the_preflight_stands_down_when_something_changed(confirmed, dataset, cast, spoil, code):
    spoil(reload(confirmed), cast)
    make.run_jobs()
    mock = reload(confirmed)
    assert (mock.status, mock.status_code) == ("lapsed", code)
    assert held(dataset) == [("population", 0, 0), ("dataset", 0, 0)]


def test_a_dataset_that_is_frozen_while_a_job_prepares_is_not_opened(confirmed, dataset, cast, monkeypatch):
    real = Child.prepared

    def frozen_meanwhile(child, timeout):
        catalog.freeze(reload(confirmed).dataset, reason="Stop.", by=cast["alice"])
        return real(child, timeout)

    monkeypatch.setattr(Child, "prepared", frozen_meanwhile)
    make.run_jobs()
    assert (reload(confirmed).status, held(dataset)[0]) == ("lapsed", ("population", 0, 0))


def test_records_behind_their_witness_measure_nothing(confirmed, dataset, monkeypatch):
    monkeypatch.setattr(checkpoints, "is_behind", lambda: True)
    make.run_jobs()
    assert reload(confirmed).job.status_code == "ledger_behind_witness"
    assert held(dataset)[0] == ("population", confirmed.rho, 0)  # reconciling decides about it


def test_a_charge_that_somebody_else_committed_is_not_drawn(confirmed):
    claim = jobs.claim(confirmed.job_id)
    assert measuring.preflight(reload(confirmed), claim) == ""
    ledger.commit(confirmed.charge_id, lease=timedelta(seconds=5))
    assert measuring.preflight(reload(confirmed), claim) == "reservation_gone"
    tasks.work(claim)
    assert books.answer(confirmed.charge_id) is None


def test_a_confirmation_that_no_worker_took_up_goes_back(confirmed, dataset):
    upkeep.sweep(timezone.now())
    assert reload(confirmed).status == "confirmed"
    upkeep.sweep(confirmed.job.valid_until + timedelta(seconds=1))
    mock = reload(confirmed)
    assert (mock.status, mock.status_code, mock.job.status) == (
        "lapsed",
        "confirmation_expired",
        JobStatus.CANCELLED,
    )
    assert held(dataset)[0] == ("population", 0, 0)


def test_a_job_that_no_worker_could_finish_gives_its_loss_back(confirmed, dataset):
    Job.objects.filter(pk=confirmed.job_id).update(status=JobStatus.LOST)
    upkeep.sweep(timezone.now())
    assert reload(confirmed).status_code == "no_worker_finished"
    assert held(dataset)[0] == ("population", 0, 0)


@pytest.mark.parametrize(("is_passing", "status"), [(True, "measured"), (False, "failed")])
def test_rows_that_cannot_be_made_are_tried_again_or_owned_up_to(
    confirmed, dataset, planted, monkeypatch, is_passing, status
):
    make.run_jobs()
    failing = Failing("go", ChildFailed("computation_failed", is_passing=is_passing))
    monkeypatch.setattr(making, "Child", failing)
    make.run_jobs("workloads")
    assert reload(confirmed).status == status
    assert held(dataset)[1] == ("dataset", 0, confirmed.rho)


def test_rows_that_no_worker_could_make_are_owned_up_to(confirmed, planted):
    make.run_jobs()
    Job.objects.filter(pk=made_by(confirmed).pk).update(status=JobStatus.LOST)
    upkeep.sweep(timezone.now())
    assert (reload(confirmed).status, reload(confirmed).status_code) == ("failed", "no_worker_finished")


def test_a_second_making_of_published_rows_does_nothing(published):
    claim = jobs.Claim(made_by(published), 1)
    with pytest.raises(jobs.ClaimLost):
        making.run(claim)
    assert reload(published).status == "published"


def test_owners_retract_and_nothing_comes_back(published, dataset, cast):
    spent, file = held(dataset), queries.path_of(published, "csv")
    actions.retract(published, reason="A table says too much.", by=cast["olga"])
    assert held(dataset) == spent
    assert queries.shown(dataset) is None
    with pytest.raises(NotFound):
        queries.path_of(reload(published), "csv")
    assert published in queries.mocks(
        dataset, cast["charlie"]
    )  # that it was out is no secret, nor why it went
    assert AuditEvent.objects.filter(event="synthetic.retracted").count() == 1
    upkeep.sweep(timezone.now())
    assert not file.exists()
    upkeep.sweep(timezone.now())
    with pytest.raises(IllegalMove):
        actions.retract(reload(published), reason="Again.", by=cast["alice"])


def test_nobody_else_retracts(published, cast):
    for who in ("rita", "sam", "charlie", "ada", "theo"):
        with pytest.raises(NotAllowed):
            actions.retract(published, reason="No.", by=cast[who])
    assert reload(published).status == "published"


def test_a_newer_one_is_shown_and_the_older_stays_in_the_history(published, dataset, propose, cast, planted):
    second = propose("0.25", by="olga")
    actions.confirm(second, by=cast["alice"])
    make.run_jobs()
    assert queries.shown(dataset).pk == published.pk
    make.run_jobs("workloads")
    assert queries.shown(dataset).pk == second.pk
    assert [mock.pk for mock in queries.mocks(dataset, cast["sam"])] == [second.pk, published.pk]
    assert queries.path_of(reload(published), "csv").exists()
    actions.retract(reload(second), reason="Worse.", by=cast["alice"])
    assert queries.shown(dataset).pk == published.pk


def test_the_rows_of_a_withdrawn_dataset_are_offered_no_more(published, dataset, cast):
    catalog.withdraw(dataset, reason="It ends.", by=cast["alice"])
    assert queries.shown(dataset) is None
    with pytest.raises(NotFound):
        queries.offered(dataset)


def test_the_audit_leaf_of_the_rows_names_their_answer_model_and_file(published):
    leaf = json.loads(bytes(AuditEvent.objects.get(event="synthetic.published").body))["details"]
    payload = job_queries.result(made_by(published))
    assert leaf["answer"] == hashlib.sha256(books.answer(published.charge_id)).hexdigest()
    assert leaf["model"] == hashlib.sha256(payload).hexdigest() == published.model_sha256
    assert leaf["file"] == published.file_sha256
    assert published.answer_sha256 == leaf["answer"]


def test_what_a_reconciliation_forfeits_is_owned_up_to(confirmed, dataset):
    ledger.forfeit()  # a restored backup: what was reserved counts as spent
    make.run_jobs()
    assert reload(confirmed).job.status_code == "reservation_gone"
    upkeep.sweep(timezone.now())
    assert (reload(confirmed).status, reload(confirmed).status_code) == ("failed", "no_answer")
    assert held(dataset) == [("population", 0, confirmed.rho), ("dataset", 0, confirmed.rho)]
    assert world.faults() == []


def test_a_sweep_that_comes_too_late_changes_nothing(confirmed, dataset, planted):
    make.run_jobs()
    mock = reload(confirmed)
    assert not upkeep.expire(mock)  # the job was taken
    assert not upkeep.give_back(mock)  # the charge is spent
    assert not upkeep.give_up(mock)  # the making has not ended
    with pytest.raises(IllegalMove):
        upkeep.rescue(confirmed)  # as it was before: somebody went on with it
    assert reload(confirmed).status == "measured"


def test_one_mock_that_cannot_be_tidied_does_not_stop_the_others(confirmed, propose, cast, monkeypatch):
    Job.objects.filter(pk=confirmed.job_id).update(status=JobStatus.LOST)
    tried = []

    def failing(key):
        tried.append(key)
        raise (ValueError if len(tried) == 1 else IllegalMove)("planted")

    monkeypatch.setattr(upkeep.books, "charge", failing)
    upkeep.sweep(timezone.now())
    upkeep.sweep(timezone.now())
    assert len(tried) == 2
    assert reload(confirmed).status == "confirmed"
    monkeypatch.undo()
    upkeep.sweep(timezone.now())
    assert reload(confirmed).status == "lapsed"


def test_an_answer_that_is_not_there_rescues_nothing(confirmed):
    assert not upkeep.rescue(confirmed)
    claim = jobs.claim(confirmed.job_id)
    making.run(claim)  # a making that was delivered before the measurement
    assert reload(confirmed).job.status_code == "not_measured"


def test_files_that_stand_for_other_rows_are_kept(published, dataset, cast):
    actions.retract(published, reason="Doubled.", by=cast["alice"])
    assert upkeep.clear(reload(published))
    assert not upkeep.clear(reload(published))
    assert str(reload(published)).startswith("synthetic mock of")
