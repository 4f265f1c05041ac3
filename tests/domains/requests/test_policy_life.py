"""A policy on its dataset: what it was asked and said, what an approval binds of it, and when it is asked again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from domains.audit import queries as log
from domains.audit.events import Event
from domains.catalog import actions as catalog
from domains.catalog import templates
from domains.catalog.models import AccessPolicy
from domains.catalog.policy import parse
from domains.errors import InvalidInput, NotFound
from domains.jobs import actions as jobs
from domains.jobs.models import Job
from domains.ledger import queries as books
from domains.notices.models import Notice
from domains.requests import dry_runs, execution, facts, verdicts
from domains.requests.estimates import estimate
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest
from domains.requests.policy import Allow, Refer
from domains.requests.queries import progress
from domains.requests.specification import specify_revision
from tests import make

COUNT = "SELECT COUNT(*) AS n FROM support2"
SMALL = ("allow", make.limits("0.1"))


def reload(analysis):
    return AnalysisRequest.objects.get(pk=analysis.pk)


def count_over(age: int) -> str:
    """Return a question that nobody has asked before, so that no answer is a repeat."""
    return f"{COUNT} WHERE age >= {age}"


def automatic(grant, age: int = 61, epsilon: str = "0.05") -> AnalysisRequest:
    analysis = make.request(Status.IN_REVIEW, on=grant, sql=count_over(age), epsilon=epsilon)
    assert analysis.status == Status.APPROVED
    assert analysis.decided_by is None
    return analysis


def refusal(analysis) -> str:
    """Return what a worker that took up the request would stand down for."""
    claim = jobs.claim(analysis.job_id)
    assert claim is not None
    return execution.preflight(execution._analysis(claim), claim)


# --- What was said ---------------------------------------------------------------------------------------------------


def test_a_request_keeps_what_each_rule_of_which_version_said_on_submission(cast, grant):
    policy = make.policy(
        grant.dataset, make.rules(("refer", [{"is": "columns", "test": "any", "of": ["age"]}]), SMALL)
    )
    asked = make.request(Status.IN_REVIEW, on=grant, sql=count_over(61), epsilon="0.05")
    assert asked.status == Status.IN_REVIEW
    said = {one["rule"]: (one["outcome"], one["version"]) for one in asked.policy_findings}
    assert said["rule_1"] == ("warn", policy.number)
    assert said["rule_2"] == ("pass", policy.number)
    assert asked.reasons == [one["text"] for one in asked.policy_findings if one["outcome"] != "pass"]


def test_the_estimate_says_what_the_policy_would_answer(cast, grant):
    policy = make.policy(grant.dataset, make.rules(SMALL))
    small = estimate(grant, sql=COUNT, epsilon="0.05", by=cast["sam"])
    assert (small.verdict.answer, small.policy.number) == ("allow", policy.number)
    assert estimate(grant, sql=COUNT, epsilon="0.5", by=cast["sam"]).verdict.answer == "refer"


def test_automation_stops_at_its_share_of_the_month(cast, grant):
    make.policy(grant.dataset, make.rules(("allow", make.limits("0.1", "0.12"))))
    first = automatic(grant, epsilon="0.1")
    second = make.request(Status.IN_REVIEW, on=grant, sql=count_over(62), epsilon="0.1")
    assert (first.status, second.status) == (Status.APPROVED, Status.IN_REVIEW)
    assert "with it, it would be" in second.reasons[0]


def test_a_persons_share_counts_over_all_their_projects_on_the_dataset(cast, grant):
    make.policy(grant.dataset, make.rules(("allow", make.limits("0.1", "0.12", per="person"))))
    automatic(grant, epsilon="0.1")
    other = make.grant(title="Another project")
    assert other.dataset_id == grant.dataset_id
    second = make.request(Status.IN_REVIEW, on=other, sql=count_over(62), epsilon="0.1")
    assert second.status == Status.IN_REVIEW


# --- What an approval binds ------------------------------------------------------------------------------------------


def test_an_approval_binds_the_version_of_the_policy_and_its_bytes(cast, grant, monkeypatch):
    policy = make.policy(grant.dataset, make.rules(SMALL))
    analysis = automatic(grant)
    bound = {"id": policy.pk, "number": policy.number, "sha256": policy.sha256}
    assert analysis.job.spec["policy"] == bound
    approved = next(
        body for body in log.bodies(Event.REQUEST_APPROVED) if body["subject"].endswith(analysis.pk)
    )
    assert approved["details"]["policy"] == bound
    assert approved["actor"] == f"policy:{policy.pk}:v{policy.number}"
    monkeypatch.setattr(AccessPolicy, "content_sha256", "0" * 64)  # somebody changed the document underneath
    assert refusal(analysis) == "specification_changed"


def test_an_approval_cannot_be_moved_to_another_policy(cast, grant):
    make.policy(grant.dataset, make.rules(SMALL))
    analysis = automatic(grant)
    other = make.policy(grant.dataset, make.rules(("allow", make.limits("0.2"))))
    AnalysisRequest.objects.filter(pk=analysis.pk).update(policy=other)
    assert refusal(analysis) == "specification_changed"


# --- Deactivated after an automatic approval -------------------------------------------------------------------------


def test_what_an_ended_policy_approved_and_nobody_started_is_voided_and_its_author_told(cast, grant):
    policy = make.policy(grant.dataset, make.rules(SMALL))
    analysis = automatic(grant)
    catalog.end_policy(policy, by=cast["alice"])
    make.run_jobs()
    analysis = reload(analysis)
    assert (analysis.status, analysis.status_code) == (Status.REVOKED, "policy_ended")
    assert books.charge(analysis.job.charge_id).state == "VOID"
    assert "the policy that approved it had ended" in progress(analysis, timezone.now()).why
    told = Notice.objects.filter(recipient=cast["sam"], event=Event.JOB_STOOD_DOWN)
    assert analysis.title in told.get().text


def test_it_is_judged_by_what_is_in_force_now(cast, grant):
    make.policy(grant.dataset, make.rules(SMALL))
    analysis = automatic(grant)
    assert refusal(analysis) == ""
    make.policy(grant.dataset, make.rules(("allow", make.limits("0.06", "0.06"))))  # room for this one alone
    specification = specify_revision(reload(analysis).current)
    assert verdicts.still_stands(reload(analysis), specification)
    make.policy(grant.dataset, templates.people(0.1))
    assert not verdicts.still_stands(reload(analysis), specification)


def test_what_people_approved_stands_whatever_becomes_of_the_policy(cast, grant):
    policy = make.policy(grant.dataset, make.rules(("refer", [])))
    analysis = make.request(Status.APPROVED, on=grant)
    catalog.end_policy(policy, by=cast["alice"])
    assert refusal(analysis) == ""


# --- Facts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM support2 GROUP BY sex",
        '{"marginals": [["sex"], ["sex", "death"]]}',
    ],
)
def test_a_stored_request_has_the_facts_that_it_was_judged_by(cast, grant, sql):
    analysis = make.request(Status.READY, on=grant, sql=sql)
    at = timezone.now()
    grant.project.purpose_codes = ["health"]
    now = facts.of_specification(specify_revision(analysis.current), grant.project, at=at)
    assert facts.of_revision(analysis.current, grant.project, at=at) == now
    assert now.purposes == {"health"}
    assert now.is_proven
    assert now.kind == ("workload" if sql.startswith("{") else "query")
    assert "sex" in now.columns
    assert now.mechanisms == {"gaussian"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("discrete Gaussian", "gaussian"),
        ("discrete Gaussian with threshold", "threshold"),
        ("discrete Laplace on 12 levels of sums", "laplace"),
        ("exponential mechanism", "exponential"),
        ("permute and flip", "permute_and_flip"),
        ("rounding", "unknown"),
        ("rounding with threshold", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_mechanism_is_known_by_name_or_unknown(text, code):
    assert facts.mechanism_of(text) == code


def test_what_the_engine_does_not_know_to_be_private_is_not_proven(grant):
    loss = make.request(Status.READY, on=grant).current.loss
    known = {"mechanism": "discrete Gaussian", "rho": loss.rho, "pure": 0}
    assert facts.is_proven(loss, [known])
    assert not facts.is_proven(loss, [])
    assert not facts.is_proven(loss, [known | {"mechanism": "exact"}])
    assert not facts.is_proven(loss, [known | {"rho": loss.rho + 1}])
    assert not facts.is_proven(loss, [known | {"rho": 0}])


def test_days_and_hours_are_the_nodes(cast, grant, settings):
    asked = make.request(Status.READY, on=grant).current
    at = datetime(2026, 7, 5, 22, 30, tzinfo=UTC)  # a Sunday
    settings.NODE_TIMEZONE = "Europe/Berlin"
    here = facts.of_revision(asked, grant.project, at=at)
    assert (here.weekday, here.minute) == (0, 30)


# --- Dry runs --------------------------------------------------------------------------------------------------------


def lines(made) -> dict[str, tuple[str, str]]:
    return {line.request: (line.then, line.now) for line in dry_runs.lines_of(made)}


def test_a_dry_run_shows_what_was_decided_then_and_what_the_policy_would_answer(cast, grant):
    waiting = make.request(Status.IN_REVIEW, on=grant, sql=count_over(61), epsilon="0.05")
    denied = make.request(Status.DENIED, on=grant, sql=count_over(62), epsilon="0.3")
    make.policy(
        grant.dataset, make.rules(("refuse", [{"is": "loss", "test": "over", "epsilon": "0.2"}]), SMALL)
    )
    allowed = automatic(grant, 63)
    refused = make.request(Status.IN_REVIEW, on=grant, sql=count_over(64), epsilon="0.25")
    assert refused.status == Status.REFUSED
    make.request(Status.READY, on=grant, sql=count_over(65))  # nobody was asked about this one
    document = make.rules(("refuse", [{"is": "loss", "test": "over", "epsilon": "0.28"}]), SMALL)
    made = dry_runs.try_policy(make.policy(grant.dataset, document, activated=False), by=cast["rita"])
    assert lines(made) == {
        waiting.pk: ("refer", "allow"),
        denied.pk: ("refer", "refuse"),
        allowed.pk: ("allow", "allow"),
        refused.pk: ("refuse", "refer"),
    }
    assert made.counts == {
        "total": 4, "changed": 3, "allow": 2, "refer": 1, "refuse": 1,
        "refer>allow": 1, "refer>refuse": 1, "refuse>refer": 1,
    }  # fmt: skip
    assert made.sha256 == made.content_sha256
    became = {line.request: line.became for line in dry_runs.lines_of(made)}
    assert became[denied.pk] == "Denied"


def test_it_counts_what_the_policy_itself_would_have_approved(cast, grant):
    for age in (61, 62, 63):
        make.request(Status.IN_REVIEW, on=grant, sql=count_over(age), epsilon="0.05")
    share = {"is": "automatic_approvals", "test": "at_most", "number": 1, "per": "grant", "within": "week"}
    document = make.rules(("allow", [make.limits("0.1")[0], share]))
    made = dry_runs.try_policy(make.policy(grant.dataset, document, activated=False), by=cast["rita"])
    assert [line.now for line in reversed(dry_runs.lines_of(made))] == ["allow", "allow", "refer"]


def test_repeats_and_older_requests_are_left_out(cast, grant):
    old = make.request(Status.IN_REVIEW, on=grant, sql=count_over(61))
    AnalysisRequest.objects.filter(pk=old.pk).update(submitted_at=timezone.now() - timedelta(days=40))
    repeat = make.request(Status.IN_REVIEW, on=grant, sql=count_over(62))
    AnalysisRequest.objects.filter(pk=repeat.pk).update(status_code="repeat")
    policy = make.policy(grant.dataset, make.rules(SMALL), activated=False)
    assert lines(dry_runs.try_policy(policy, days=30, by=cast["rita"])) == {}
    assert set(lines(dry_runs.try_policy(policy, days=90, by=cast["rita"]))) == {old.pk}
    with pytest.raises(InvalidInput):
        dry_runs.try_policy(policy, days=31, by=cast["rita"])


def test_a_plan_of_an_earlier_engine_is_left_to_people(cast, grant, monkeypatch):
    make.request(Status.IN_REVIEW, on=grant, sql=count_over(61))
    monkeypatch.setattr("privacy.query.plan.VERSION", 99)
    made = dry_runs.try_policy(
        make.policy(grant.dataset, make.rules(SMALL), activated=False), by=cast["rita"]
    )
    (line,) = dry_runs.lines_of(made)
    assert (line.now, line.rules) == ("refer", ("plan",))


def test_it_takes_as_many_queries_for_many_requests_as_for_one(cast, grant, django_assert_num_queries):
    document = parse(templates.small(5e-7))

    def replay() -> int:
        found = dry_runs.replay(document, grant.dataset, [], days=30, until=timezone.now())
        return len(found)

    make.request(Status.IN_REVIEW, on=grant, sql=count_over(61))
    replay()  # what is looked up once and kept
    with django_assert_num_queries(2):
        assert replay() == 1
    for age in range(62, 66):
        make.request(Status.IN_REVIEW, on=grant, sql=count_over(age), epsilon="0.01")
    with django_assert_num_queries(2):
        assert replay() == 5


def test_a_long_dry_run_is_left_to_a_worker(cast, grant, monkeypatch):
    monkeypatch.setattr(dry_runs, "MOST_AT_ONCE", 0)
    analysis = make.request(Status.IN_REVIEW, on=grant, sql=count_over(61), epsilon="0.05")
    policy = make.policy(grant.dataset, make.rules(SMALL), activated=False)
    rita = cast["rita"]
    asked = dry_runs.try_policy(policy, by=rita)
    assert isinstance(asked, Job)
    assert dry_runs.try_policy(policy, by=rita) == asked == dry_runs.under_way(policy, rita)
    assert dry_runs.under_way(policy, cast["alice"]) is None
    assert make.run_jobs("default") == 1
    (made,) = dry_runs.dry_runs(policy, rita)
    assert made.made_by == rita
    assert lines(made) == {analysis.pk: ("refer", "allow")}
    catalog.activate_policy(policy, dry_run=made, by=rita)
    document = parse(templates.small(5e-7))
    assert dry_runs.try_document(document, grant.dataset, days=90, user=cast["alice"]) is None


def test_an_owner_tries_rules_before_proposing_them_and_nothing_is_kept(cast, grant):
    make.request(Status.IN_REVIEW, on=grant, sql=count_over(61), epsilon="0.05")
    document = parse(templates.small(5e-7))
    (line,) = dry_runs.try_document(document, grant.dataset, days=30, user=cast["alice"])
    assert (line.now, line.is_changed) == ("allow", True)
    assert not AccessPolicy.objects.exists()
    for name in ("rita", "sam", "charlie", "theo"):
        with pytest.raises(NotFound):
            dry_runs.try_document(document, grant.dataset, days=30, user=cast[name])


def test_the_makers_of_a_policy_see_in_the_dry_run_that_their_own_project_is_left_to_people(cast, grant):
    make.request(Status.IN_REVIEW, on=grant, sql=count_over(61), epsilon="0.05")
    document = parse(make_rho(grant))
    until = timezone.now()
    (theirs,) = dry_runs.replay(document, grant.dataset, [cast["sam"].pk], days=30, until=until)
    (others,) = dry_runs.replay(document, grant.dataset, [cast["alice"].pk], days=30, until=until)
    assert (theirs.now, others.now) == (Refer.__name__.lower(), Allow.__name__.lower())


def make_rho(grant):
    return templates.small(grant.dataset.population.conversion_delta)
