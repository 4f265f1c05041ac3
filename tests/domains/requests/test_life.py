"""A request from draft to release, and every way it can end before that. Children really compute."""

from datetime import timedelta

import pytest
from django.utils import timezone
from gridhouse import verify

from domains.catalog import actions as catalog
from domains.errors import BudgetExhausted, IllegalMove, InvalidInput, NotAllowed, NotFound
from domains.jobs.lifecycle import JobStatus
from domains.ledger import queries as books
from domains.people.permissions import Permission, Role
from domains.projects import actions as projects
from domains.requests import actions, decisions, releases, specification
from domains.requests.estimates import estimate
from domains.requests.lifecycle import ReleaseStatus, Status
from domains.requests.models import AnalysisRequest, Revision
from domains.requests.queries import progress, queue, verdict_for
from domains.requests.specification import parse_epsilon
from tests import make


def reload(analysis):
    return AnalysisRequest.objects.select_related("grant__dataset", "author", "job", "revision").get(
        pk=analysis.pk
    )


def left(grant, person):
    return {b.scope: (b.left.rho, b.reserved.rho, b.spent.rho) for b in books.balances(grant, person)}


def test_a_question_is_asked_approved_computed_charged_and_released(cast, grant):
    analysis = make.answered(on=grant)
    result = releases.result(analysis, by=cast["sam"])
    assert [row[0] for row in result.answer.rows] == ["female", "male"]
    assert result.release.status == ReleaseStatus.RELEASED
    assert progress(analysis, timezone.now()).code == "released"
    cost = analysis.revision.rho
    for _, reserved, spent in left(grant, cast["sam"]).values():
        assert (reserved, spent) == (0, cost)


def test_the_receipt_of_a_release_verifies_with_nothing_but_itself(cast, grant):
    receipt = releases.receipt(make.answered(on=grant), by=cast["sam"])
    assert verify.verify_receipt(receipt)
    receipt["index"] += 1
    with pytest.raises(Exception):  # noqa: B017, PT011 - any refusal will do
        assert verify.verify_receipt(receipt)


def test_nobody_outside_the_project_reads_the_result_and_a_stranger_learns_nothing(cast, grant):
    analysis = make.answered(on=grant)
    for name in ("charlie", "ada"):
        with pytest.raises((NotFound, NotAllowed)):
            releases.result(analysis, by=cast[name])
    with pytest.raises(NotFound):
        releases.result(analysis, by=cast["charlie"])


def test_the_outcome_is_hidden_until_its_deadline(cast, grant):
    analysis = make.answered(on=grant)
    before = analysis.job.due_at - timedelta(milliseconds=1)
    assert progress(analysis, before).code == "running"


def test_a_check_that_fails_keeps_what_was_typed_and_names_the_clause(cast, grant):
    analysis = make.request(Status.DRAFT, on=grant, sql="SELECT age FROM support2")
    findings = actions.check(analysis, by=cast["sam"])
    analysis = reload(analysis)
    assert analysis.status == Status.DRAFT
    assert analysis.draft_sql == "SELECT age FROM support2"
    assert findings[0]["code"]
    assert findings[0]["text"]
    assert analysis.findings == findings


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity", "", "one", "0.00000001", "11", "1e999999"])
def test_an_epsilon_that_is_not_a_positive_number_is_refused_with_a_remedy(bad):
    with pytest.raises(InvalidInput, match="ε"):
        parse_epsilon(bad)


def test_the_author_cannot_decide_and_no_one_ever_on_the_project_can(cast, grant):
    projects.add_member(grant.project, cast["charlie"], by=cast["rita"])
    analysis = make.request(Status.IN_REVIEW, on=grant)
    for name in ("sam", "charlie"):
        with pytest.raises(NotAllowed):
            decisions.review(analysis, revision=1, vote="approve", by=cast[name])
    assert reload(analysis).status == Status.IN_REVIEW


@pytest.mark.parametrize("name", ["ada", "theo", "rita", "charlie"])
def test_only_the_datasets_own_people_decide(cast, grant, name):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    with pytest.raises((NotAllowed, NotFound)):
        decisions.review(analysis, revision=1, vote="approve", by=cast[name])


def test_two_decisions_at_once_make_one_reservation(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    twin = reload(analysis)
    decisions.review(analysis, revision=1, vote="approve", by=cast["alice"])
    with pytest.raises(IllegalMove):
        decisions.review(twin, revision=1, vote="deny", reason="No.", by=cast["alice"])
    assert left(grant, cast["sam"])["grant"][1] == analysis.revision.rho


def test_a_decision_on_a_revision_that_is_no_longer_current_is_refused(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    with pytest.raises(IllegalMove, match="revision"):
        decisions.review(analysis, revision=2, vote="approve", by=cast["alice"])


def test_a_vote_is_one_of_three(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    with pytest.raises(InvalidInput, match="to approve, to request changes or to deny"):
        decisions.review(analysis, revision=1, vote="perhaps", reason="Who knows.", by=cast["alice"])


@pytest.mark.parametrize("vote", ["deny", "request_changes"])
def test_a_no_needs_a_reason_and_the_author_sees_it(cast, grant, vote):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    with pytest.raises(InvalidInput):
        decisions.review(analysis, revision=1, vote=vote, reason="  ", by=cast["alice"])
    decisions.review(analysis, revision=1, vote=vote, reason="Too fine a split.", by=cast["alice"])
    assert progress(reload(analysis), timezone.now()).why == "Too fine a split."


def test_changes_requested_lead_to_a_new_revision_and_the_old_one_stays(cast, grant):
    analysis = make.request(Status.CHANGES_REQUESTED, on=grant)
    actions.edit(
        analysis, title="Patients", sql="SELECT COUNT(*) AS n FROM support2", epsilon="0.05", by=cast["sam"]
    )
    assert actions.check(analysis, by=cast["sam"]) == []
    actions.submit(analysis, revision=2, by=cast["sam"])
    assert reload(analysis).status == Status.IN_REVIEW
    assert [r.number for r in Revision.objects.filter(analysis=analysis)] == [1, 2]
    decisions.review(analysis, revision=2, vote="approve", by=cast["alice"])
    assert reload(analysis).status == Status.APPROVED


def test_withdrawing_before_a_decision_touches_no_budget(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    actions.withdraw(analysis, by=cast["sam"])
    assert reload(analysis).status == Status.WITHDRAWN
    assert not queue(cast["alice"]).exists()
    assert all(held == (held[0], 0, 0) for held in left(grant, cast["sam"]).values())


def test_withdrawing_after_approval_voids_the_reservation_and_the_job_never_runs(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    actions.withdraw(analysis, by=cast["sam"])
    assert make.run_jobs() == 0
    assert all((reserved, spent) == (0, 0) for _, reserved, spent in left(grant, cast["sam"]).values())


def test_what_has_run_cannot_be_withdrawn(cast, grant):
    analysis = make.answered(on=grant)
    with pytest.raises(IllegalMove, match="spent"):
        actions.withdraw(analysis, by=cast["sam"])


def test_an_approval_can_be_undone_inside_its_window_and_voted_again(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    decisions.review(analysis, revision=1, vote="approve", by=cast["alice"], undo_seconds=60)
    assert make.run_jobs() == 0
    decisions.undo_approval(reload(analysis), by=cast["alice"])
    again = reload(analysis)
    assert again.status == Status.IN_REVIEW
    assert left(grant, cast["sam"])["grant"][1] == 0
    decisions.review(again, revision=1, vote="approve", by=cast["alice"])
    assert make.run_jobs() == 1
    assert releases.result(reload(again), by=cast["sam"]).answer.rows


def test_only_an_approval_of_ones_own_can_be_undone(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    with pytest.raises(IllegalMove, match="your own"):
        decisions.undo_approval(analysis, by=cast["alice"])
    make.policy(grant.dataset, make.rules(("allow", make.limits("1"))))
    own = make.request(Status.IN_REVIEW, on=grant, sql="SELECT COUNT(*) AS n FROM support2")
    assert own.status == Status.APPROVED  # by the policy
    with pytest.raises(IllegalMove, match="your own"):
        decisions.undo_approval(own, by=cast["alice"])


def test_an_approval_cannot_be_undone_after_its_window(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    with pytest.raises(IllegalMove, match="window"):
        decisions.undo_approval(analysis, by=cast["alice"])


def test_revoking_before_data_is_read_gives_the_reservation_back(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    decisions.revoke(analysis, reason="A mistake.", by=cast["alice"])
    assert reload(analysis).status == Status.REVOKED
    assert left(grant, cast["sam"])["grant"] == (left(grant, cast["sam"])["grant"][0], 0, 0)


def test_revoking_needs_a_reason_and_an_approval_that_has_not_run(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    with pytest.raises(InvalidInput, match="Say why"):
        decisions.revoke(analysis, reason="  ", by=cast["alice"])
    make.run_jobs()
    with pytest.raises(IllegalMove, match="not opened the data"):
        decisions.revoke(reload(analysis), reason="Too late.", by=cast["alice"])
    assert left(grant, cast["sam"])["grant"][1:] == (0, analysis.revision.rho)


def test_over_budget_by_one_unit_is_refused_and_nothing_is_lost(cast):
    grant = make.grant(epsilon="0.1")
    limit = next(b.limit.rho for b in books.balances(grant, cast["sam"]) if b.scope == "grant")
    exact = make.request(Status.IN_REVIEW, on=grant, epsilon="0.1")
    assert exact.revision.rho == limit  # the whole cap, to the unit, fits …
    over = make.request(Status.READY, on=grant, epsilon="0.100001", sql="SELECT COUNT(*) AS n FROM support2")
    with pytest.raises(BudgetExhausted):  # … and more than it does not
        actions.submit(over, revision=1, by=cast["sam"])
    assert reload(over).status == Status.READY


def test_two_requests_race_for_the_last_of_a_budget_and_the_second_stays_in_review(cast):
    grant = make.grant(epsilon="0.1")
    first = make.request(Status.IN_REVIEW, on=grant, epsilon="0.1")
    second = make.request(Status.IN_REVIEW, on=grant, epsilon="0.1", sql="SELECT COUNT(*) AS n FROM support2")
    decisions.review(first, revision=1, vote="approve", by=cast["alice"])
    with pytest.raises(BudgetExhausted):
        decisions.review(second, revision=1, vote="approve", by=cast["alice"])
    second = reload(second)
    assert (second.status, second.status_code) == (Status.IN_REVIEW, "insufficient_budget")
    assert not second.revision.reviews.exists()  # the vote was not counted, so it can be cast again


def test_the_same_question_again_returns_the_same_bytes_at_no_charge(cast, grant):
    first = make.answered(on=grant)
    paid = left(grant, cast["sam"])
    again = make.request(Status.READY, on=grant, sql="select sex, count(*) as n  from support2 group by sex")
    actions.submit(again, revision=1, by=cast["sam"])
    again = reload(again)
    assert releases.result(again, by=cast["sam"]).payload == releases.result(first, by=cast["sam"]).payload
    assert left(grant, cast["sam"]) == paid
    assert progress(again, timezone.now()).code == "released"


def test_another_project_pays_for_itself(cast, grant):
    make.answered(on=grant)
    other = make.grant(title="Another project")
    again = make.request(Status.IN_REVIEW, on=other)
    assert again.status == Status.IN_REVIEW


def test_a_grant_revoked_before_the_run_stands_the_job_down_and_voids(cast, grant):
    analysis = make.request(Status.APPROVED, on=grant)
    projects.revoke_grant(grant, reason="Ended.", by=cast["alice"])
    make.run_jobs()
    analysis = reload(analysis)
    assert analysis.status == Status.REVOKED
    assert analysis.job.status == JobStatus.KILLED
    assert left(grant, cast["sam"])["grant"][1:] == (0, 0)


def test_a_right_that_ends_while_it_runs_holds_the_answer_for_the_owner(cast, grant, monkeypatch):
    analysis = make.request(Status.APPROVED, on=grant)
    from domains.requests import execution

    real = execution.conclude

    def revoked_meanwhile(*args):
        projects.revoke_grant(grant, reason="Ended.", by=cast["alice"])
        real(*args)

    monkeypatch.setattr(execution, "conclude", revoked_meanwhile)
    make.run_jobs()
    analysis = reload(analysis)
    release = analysis.releases.get()
    assert release.status == ReleaseStatus.AWAITING_REVIEW
    with pytest.raises((NotFound, NotAllowed)):
        releases.result(analysis, by=cast["sam"])
    with pytest.raises(NotAllowed, match="You approved"):  # S3: somebody else checks what came out
        releases.release_held(release, sha256=release.sha256, by=cast["alice"])
    catalog.assign(grant.dataset, cast["rita"], role=Role.DATASET_REVIEWER, by=cast["alice"])
    release = type(release).objects.get(pk=release.pk)
    with pytest.raises(IllegalMove, match="bytes"):
        releases.release_held(release, sha256="0" * 64, by=cast["rita"])
    releases.release_held(release, sha256=release.sha256, by=cast["rita"])
    assert releases.result(reload(analysis), by=cast["sam"]).answer.rows


def test_an_approval_that_nobody_ran_lapses_and_its_reservation_goes_back(cast, grant):
    from domains.requests import upkeep

    analysis = make.request(Status.APPROVED, on=grant)
    later = timezone.now() + timedelta(days=400)
    upkeep.sweep(later)
    upkeep.sweep(later)  # idempotent
    assert reload(analysis).status == Status.LAPSED
    assert left(grant, cast["sam"])["grant"][1:] == (0, 0)


def test_an_estimate_stores_nothing_and_names_the_effect_on_every_cap(cast, grant):
    found = estimate(grant, sql=make.QUESTION, epsilon="0.1", by=cast["sam"])
    assert {effect.balance.scope for effect in found.effects} == {"population", "dataset", "grant", "person"}
    assert found.fits
    assert found.similar_left >= 1
    assert not AnalysisRequest.objects.exists()


def test_a_token_without_the_deciding_scope_decides_nothing(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    alice = cast["alice"]
    alice.token_scopes = frozenset({Permission.REQUEST_READ})
    with pytest.raises(NotAllowed):
        decisions.review(analysis, revision=1, vote="approve", by=alice)


def test_without_a_policy_people_decide(cast, grant):
    specification = estimate(grant, sql=make.QUESTION, epsilon="0.1", by=cast["sam"]).specification
    policy, verdict = verdict_for(grant, specification)
    assert policy is None
    assert verdict.reasons


def over(epsilon):
    return [{"is": "loss", "test": "over", "epsilon": epsilon}]


def test_a_policy_allows_by_itself_what_is_small_and_refuses_what_is_large(cast, grant):
    make.policy(grant.dataset, make.rules(("refuse", over("0.2")), ("allow", make.limits("0.1"))))
    small = make.request(Status.IN_REVIEW, on=grant, epsilon="0.05")
    assert (small.status, small.decided_by) == (Status.APPROVED, None)
    large = make.request(Status.IN_REVIEW, on=grant, epsilon="0.3", sql="SELECT COUNT(*) AS n FROM support2")
    assert large.status == Status.REFUSED
    assert large.reasons
    assert left(grant, cast["sam"])["grant"][1:] == (small.revision.rho, 0)


def test_a_policy_that_came_after_the_submission_binds_the_vote(cast, grant):
    analysis = make.request(Status.IN_REVIEW, on=grant)
    make.policy(grant.dataset, make.rules(("refuse", over("0.05"))))
    with pytest.raises(IllegalMove, match="now refuses"):
        decisions.review(analysis, revision=1, vote="approve", by=cast["alice"])
    assert reload(analysis).status == Status.IN_REVIEW
    assert not analysis.revision.reviews.exists()
    assert left(grant, cast["sam"])["grant"][1:] == (0, 0)


def test_what_was_checked_for_another_engine_is_checked_again_before_it_is_submitted(
    cast, grant, monkeypatch
):
    analysis = make.request(Status.READY, on=grant)
    monkeypatch.setattr(specification, "ENGINE", "another engine")
    with pytest.raises(IllegalMove, match="Check the request again"):
        actions.submit(analysis, revision=1, by=cast["sam"])
    assert reload(analysis).status == Status.READY


def test_only_what_is_not_under_review_is_edited_and_nobody_overwrites_unseen(cast, grant):
    words = {"title": "Patients", "sql": make.QUESTION, "epsilon": "0.1", "by": cast["sam"]}
    analysis = make.request(Status.DRAFT, on=grant)
    stale = reload(analysis)
    assert actions.check(analysis, by=cast["sam"]) == []
    with pytest.raises(IllegalMove, match="changed since you opened it"):
        actions.edit(stale, **words)
    actions.edit(analysis, **words)
    assert reload(analysis).status == Status.DRAFT  # its check no longer counts
    actions.check(analysis, by=cast["sam"])
    actions.submit(analysis, revision=2, by=cast["sam"])
    with pytest.raises(IllegalMove, match="Only a draft"):
        actions.edit(analysis, **words)


def test_what_is_written_has_a_title_and_an_end(cast, grant):
    words = {"title": "Patients", "sql": make.QUESTION, "epsilon": "0.1", "by": cast["sam"]}
    for changes in ({"title": "  "}, {"title": "x" * 161}, {"sql": "x" * (actions.MOST_SQL + 1)}):
        with pytest.raises(InvalidInput, match=r"title|longer"):
            actions.draft(grant, **words | changes)
    analysis = actions.draft(grant, **words)
    for text in (" ", "x" * 4001):
        with pytest.raises(InvalidInput, match="between 1 and"):
            actions.comment(analysis, text, by=cast["sam"])


def test_a_draft_runs_on_the_mock_only_after_its_check(cast, grant):
    with pytest.raises(IllegalMove, match="Check the request first"):
        actions.run_on_mock(make.request(Status.DRAFT, on=grant), by=cast["sam"])


def test_a_mock_run_is_free_and_its_result_is_the_authors(cast, grant):
    from domains.jobs import queries as jobs

    analysis = make.request(Status.READY, on=grant)
    actions.run_on_mock(analysis, by=cast["sam"])
    make.run_jobs()
    job = reload(analysis).mock_job
    assert job.status == JobStatus.SUCCEEDED, job.status_code
    assert jobs.result(job)
    assert all((reserved, spent) == (0, 0) for _, reserved, spent in left(grant, cast["sam"]).values())
