"""How each state of each machine is reached, by the real actions where there are any."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import prefetch_related_objects
from django.utils import timezone

from domains.agreements import actions as agreements
from domains.catalog import actions as catalog
from domains.catalog import erasing, rules
from domains.catalog.models import Dataset, DatasetVersion
from domains.delivery import actions as delivery
from domains.emergency import actions as emergency
from domains.intake.models import Upload
from domains.ledger import limits, protocol, topups
from domains.ledger import queries as books
from domains.node import actions as node
from domains.people.permissions import Role
from domains.projects import actions as projects
from domains.projects import amending, amendments
from domains.projects.models import AccessGrant, Amendment, Project
from domains.requests import actions, decisions, dry_runs, incidents, releases, upkeep
from domains.requests import rules as approval_rules
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Release
from domains.synthetic import actions as synthetic
from domains.synthetic import measuring
from domains.synthetic.models import SyntheticMock
from tests import make
from tests.stage import PAYLOAD, Planted, Stage, ask, run
from tests.walk.calls import SCHEMA, SMALL

Place = Callable[[Stage, Any], Any]  # of the stage and pytest's monkeypatch
_RELATED = (
    "grant__dataset__area",
    "grant__dataset__population",
    "grant__project__area",
    "author",
    "revision",
    "job",
)


# --- Requests --------------------------------------------------------------------------------------------------------


def request(state: str) -> Place:
    """Return a request of Sam's in a state; Alice decided."""

    def reached(w: Stage, patch: Any) -> AnalysisRequest:
        analysis = _request(w, Status(state))
        return AnalysisRequest.objects.select_related(*_RELATED).get(pk=analysis.pk)

    return reached


def _request(w: Stage, state: Status) -> AnalysisRequest:
    sam, alice = w.user("sam"), w.user("alice")
    if state == Status.REFUSED:
        row = rules.propose_policy(w.access().dataset, document=_REFUSING, by=alice)
        seen = dry_runs.try_policy(row, by=w.user("rita"))
        rules.activate_policy(row, dry_run=seen, by=w.user("rita"))  # type: ignore[arg-type]
        return ask(w)
    plain = {Status.IN_REVIEW, Status.READY, Status.CHANGES_REQUESTED, Status.DENIED}
    if state in plain:
        return ask(w, state)
    if state == Status.DRAFT:
        analysis = ask(w, Status.READY)
        actions.edit(analysis, title="Another", sql=analysis.draft_sql, epsilon="0.1", by=sam)
    elif state == Status.WITHDRAWN:
        analysis = ask(w)
        actions.withdraw(analysis, by=sam)
    else:
        analysis = ask(w, Status.APPROVED, undo_seconds=3600)
        if state == Status.LAPSED:
            upkeep.sweep(analysis.run.valid_until + timedelta(seconds=1))
        elif state == Status.REVOKED:
            decisions.revoke(analysis, reason="A mistake.", by=alice)
    return analysis


_REFUSING = make.rules(("refuse", [{"is": "columns", "test": "any", "of": ["age"]}]))


def release(state: str) -> Place:
    """Return the release of an answer to a request that Alice approved."""

    def reached(w: Stage, patch: Any) -> Release:
        def expires() -> None:
            AccessGrant.objects.filter(pk=w.grant).update(valid_to=timezone.now() - timedelta(seconds=1))

        is_held = state in {"quarantined", "awaiting_review", "rejected"}
        analysis = run(ask(w, Status.APPROVED), patch, Planted(meanwhile=expires if is_held else None))
        row = analysis.releases.get()
        if state == "rejected":
            releases.reject(row, reason="No.", by=w.user("bea"))
        elif state == "revoked":
            incidents.revoke_release(row, reason="A small cell.", by=w.user("bea"))
        elif state == "quarantined":
            Release.objects.filter(pk=row.pk).update(status=state)
        return Release.objects.select_related(*(f"analysis__{name}" for name in _RELATED)).get(pk=row.pk)

    return reached


def rule(state: str) -> Place:
    """Return an approval rule that Harriet proposed, who has every role."""

    def reached(w: Stage, patch: Any) -> Any:
        dataset = w.access().dataset
        approval_rules.set_rule(dataset, people=2, by=w.user("alice"))
        row = approval_rules.set_rule(dataset, people=1, by=w.user("hat"))
        if state == "in_force":
            approval_rules.confirm_rule(row, by=w.user("rob"))
        elif state == "ended":
            approval_rules.withdraw_rule(row, by=w.user("alice"))
        return approval_rules.rule(dataset, row.number)

    return reached


# --- Projects and grants ---------------------------------------------------------------------------------------------


def project(state: str) -> Place:
    """Return a project of Sam's in a state; Rita decided, or suspended it."""
    return lambda w, patch: Project.objects.select_related("area").get(pk=_project(w, state).pk)


def _project(w: Stage, state: str) -> Project:
    sam, rita = w.user("sam"), w.user("rita")
    main = w.access()
    row = projects.propose(
        area=main.project.area,
        title="Another",
        lay_summary="In words.",
        purpose="Why.",
        datasets=[main.dataset],
        members=[w.user(name) for name in ("max", "hat", "dot", "mia")],
        by=sam,
    )
    if state == "draft":
        return row
    projects.submit(row, by=sam)
    votes = {"rejected": "deny", "changes_requested": "request_changes"}
    if state == "withdrawn":
        projects.withdraw(row, by=sam)
    elif state != "in_review":
        vote = votes.get(state, "approve")
        projects.review(row, version=row.version, vote=vote, reason="Because.", by=rita)
    if state == "suspended":
        projects.suspend(row, reason="Stop.", by=rita)
    elif state == "closed":
        projects.close(row, report="Done.", by=sam)
    return row


def amendment(state: str) -> Place:
    """Return an amendment, in a state, of a project that Rita approved; she decides on it too."""

    def reached(w: Stage, patch: Any) -> Any:
        sam, of = w.user("sam"), _project(w, "approved")
        row = amendments.begin(Project.objects.get(pk=of.pk), by=sam)
        people = [w.user(name) for name in ("max", "hat", "dot", "mia")]
        words = {"title": "Amended", "reason": "More.", "datasets": [w.access().dataset], "people": people}
        amendments.change(row, version=row.version, **words, by=sam)
        if state == "withdrawn":
            amendments.withdraw(row, by=sam)
        elif state != "draft":
            amendments.submit(row, by=sam)
        votes = {"approved": "approve", "denied": "deny", "changes_requested": "request_changes"}
        if state in votes:
            number = row.frozen.number if row.frozen else 0
            amending.review(row, version=number, vote=votes[state], reason="Because.", by=w.user("rita"))
        return Amendment.objects.select_related("project__area", "frozen").get(pk=row.pk)

    return reached


def grant(state: str) -> Place:
    """Return an access grant in a state: one with a budget, or one of a project without."""

    def reached(w: Stage, patch: Any) -> AccessGrant:
        of_project = {"requested": "approved", "withdrawn": "withdrawn", "denied": "rejected"}
        if state in of_project:
            row = _project(w, of_project[state]).grants.get()
        else:
            row = w.access()
            if state == "suspended":
                projects.suspend_grant(row, reason="Stop.", by=w.user("bea"))
            elif state == "revoked":
                projects.revoke_grant(row, reason="Over.", by=w.user("bea"))
            elif state == "closed":
                projects.close(row.project, report="Done.", by=w.user("sam"))
        related = ("project__area", "dataset__population", "dataset__area")
        return AccessGrant.objects.select_related(*related).get(pk=row.pk)

    return reached


def topup(state: str) -> Place:
    """Return a top-up that Sam asked for and Ada proposed."""

    def reached(w: Stage, patch: Any) -> Any:
        row = topups.ask(w.access(), epsilon=Decimal(2), reason="More.", by=w.user("sam"))
        if state in {"proposed", "confirmed"}:
            topups.propose(row, epsilon=Decimal(2), by=w.user("ada"))
        if state == "confirmed":
            topups.confirm(row, by=w.user("alice"))
        elif state == "declined":
            topups.decline(row, reason="No.", by=w.user("ada"))
        elif state == "withdrawn":
            topups.withdraw(row, by=w.user("sam"))
        return topups.visible_to(w.user("theo")).get(pk=row.pk)

    return reached


def cap(state: str) -> Place:
    """Return a proposal of a higher cap of the dataset, by Harriet."""

    def reached(w: Stage, patch: Any) -> Any:
        account = str(books.balances(w.access(), w.user("sam"))[1].account)
        hat = w.user("hat")
        key = limits.propose_raise(account, epsilon=Decimal(4), reason="More.", by=hat)
        if state == "confirmed":
            limits.confirm_raise(key, by=w.user("rob"))
        elif state == "ended":
            limits.end_proposal(key, by=hat)
        return limits._proposal(key)

    return reached


# --- Datasets --------------------------------------------------------------------------------------------------------


def dataset(state: str) -> Place:
    """Return a dataset in a state."""

    def reached(w: Stage, patch: Any) -> Dataset:
        row, alice = w.access().dataset, w.user("alice")
        if state == "draft":
            row = _draft_dataset(w)
        elif state == "frozen":
            catalog.freeze(row, reason="Stop.", by=alice)
        elif state == "withdrawn":
            catalog.withdraw(row, reason="Gone.", by=alice)
        return Dataset.objects.select_related("area", "population").get(pk=row.pk)

    return reached


def _draft_dataset(w: Stage) -> Dataset:
    main, alice = w.access().dataset, w.user("alice")
    row = catalog.create_dataset(
        area=main.area, population=main.population, title="Other", slug="other", by=alice
    )
    for name, role in (
        ("bea", Role.DATASET_OWNER),
        ("hat", Role.DATASET_OWNER),
        ("rita", Role.DATASET_REVIEWER),
    ):
        catalog.assign(row, w.user(name), role=role, by=alice)
    return row


def version(state: str) -> Place:
    """Return a version of the dataset: the second as a draft, else the first that the second replaces."""

    def reached(w: Stage, patch: Any) -> DatasetVersion:
        main = w.access().dataset
        new = _draft(w)
        row = main.versions.get(number=1)
        if state == "draft":
            row = new
        else:
            now, alice = timezone.now(), w.user("alice")
            signed = {"attested_at": now, "attested_by": alice, "published_at": now, "published_by": alice}
            DatasetVersion.objects.filter(pk=new.pk).update(
                status="published", mock_origin="generated", **signed
            )
            if state != "published":
                catalog.retire(row, reason="Old.", by=alice)
            if state in {"erasing", "erased"}:
                erasing.erase(row, reason="Asked.", by=alice)
            if state == "erased":
                erasing.sweep(timezone.now() + timedelta(days=2))
        return DatasetVersion.objects.select_related("dataset__area", "dataset__population").get(pk=row.pk)

    return reached


def _draft(w: Stage) -> DatasetVersion:
    """Return a declared draft whose file is made, and whose mock waits for a second person."""
    alice = w.user("alice")
    new = catalog.new_version(w.access().dataset, by=alice)
    catalog.declare(new, **SCHEMA, by=alice)
    made = {"sha256": "d" * 64, "mock_sha256": "e" * 64, "mock_origin": "uploaded"}
    DatasetVersion.objects.filter(pk=new.pk).update(**made)
    return new


def upload(state: str) -> Place:
    """Return an upload of Alice's for a draft version."""

    def reached(w: Stage, patch: Any) -> Upload:
        new = _draft(w)
        row = Upload.objects.create(
            version=new,
            format="csv",
            filename="a.csv",
            size=1,
            sha256="f" * 64,
            status=state,
            created_by=w.user("alice"),
        )
        return Upload.objects.select_related("version__dataset__area").get(pk=row.pk)

    return reached


def policy(state: str) -> Place:
    """Return a policy that Harriet proposed."""

    def reached(w: Stage, patch: Any) -> Any:
        row = rules.propose_policy(w.access().dataset, document=SMALL, by=w.user("hat"))
        if state == "active":
            rob = w.user("rob")
            rules.activate_policy(row, dry_run=dry_runs.try_policy(row, by=rob), by=rob)  # type: ignore[arg-type]
        elif state == "ended":
            rules.end_policy(row, by=w.user("alice"))
        return type(row).objects.select_related("dataset__area", "dataset__population").get(pk=row.pk)

    return reached


def mock(state: str) -> Place:
    """Return synthetic rows that Harriet proposed."""

    def reached(w: Stage, patch: Any) -> SyntheticMock:
        dataset, hat = w.access().dataset, w.user("hat")
        row = synthetic.propose(dataset, sql='{"marginals": [["sex"]]}', epsilon="0.5", by=hat)
        if state == "withdrawn":
            synthetic.withdraw(row, by=hat)
        elif state == "declined":
            synthetic.decline(row, reason="No.", by=w.user("alice"))
        elif state != "proposed":
            synthetic.confirm(row, by=w.user("alice"))
            _measured(row, state, w)
        related = ("version__dataset__area", "version__dataset__population", "proposed_by", "job")
        return SyntheticMock.objects.select_related(*related).get(pk=row.pk)

    return reached


def _measured(row: SyntheticMock, state: str, w: Stage) -> None:
    """Take a confirmed mock on as a worker would, with an answer that means nothing."""
    with transaction.atomic():
        if state == "lapsed":
            measuring.lapse(row, "no_worker_finished")
        elif state == "failed":
            measuring.fail(row, "no_answer")
    if state not in {"measured", "published", "retracted"}:
        return
    key = str(row.charge_id)
    fence = protocol.commit(key, lease=timedelta(minutes=1))
    sha256 = protocol.persist(key, fence=fence or 0, payload=PAYLOAD)
    with transaction.atomic():
        measuring.conclude(row, sha256=sha256, at=timezone.now())
    if state != "measured":
        files = {"file_sha256": "f" * 64, "model_sha256": "e" * 64, "published_at": timezone.now()}
        SyntheticMock.objects.filter(pk=row.pk).update(status="published", **files)
    if state == "retracted":
        synthetic.retract(SyntheticMock.objects.get(pk=row.pk), reason="No.", by=w.user("alice"))


# --- The node --------------------------------------------------------------------------------------------------------


def agreement(state: str) -> Place:
    """Return an agreement of the dataset, written by Alice."""

    def reached(w: Stage, patch: Any) -> Any:
        alice = w.user("alice")
        row = agreements.create(title="Terms", body="Be kind.", dataset=w.access().dataset, by=alice)
        if state == "in_force":
            agreements.publish(row, edition=1, by=alice)
            agreements.draft(row, body="Be kinder.", changes="More.", valid_days=None, edition=0, by=alice)
        elif state == "retired":
            agreements.retire(row, reason="Over.", by=alice)
        return type(row).objects.select_related("dataset__area", "draft").get(pk=row.pk)

    return reached


def webhook(state: str) -> Place:
    """Return a webhook of Sam's."""

    def reached(w: Stage, patch: Any) -> Any:
        sam = w.user("sam")
        row, _ = delivery.add("https://sam.example.org/hook", by=sam)
        if state != "active":
            {"paused": delivery.pause, "ended": delivery.remove}[state](row, by=sam)
        return type(row).objects.get(pk=row.pk)

    return reached


def delivered(state: str) -> Place:
    """Return a delivery to Sam's webhook."""

    def reached(w: Stage, patch: Any) -> Any:
        sam = w.user("sam")
        hook, _ = delivery.add("https://sam.example.org/hook", by=sam)
        row = delivery.send_test(hook, by=sam)
        type(row).objects.filter(pk=row.pk).update(status=state)
        return type(row).objects.select_related("webhook", "notice").get(pk=row.pk)

    return reached


def access(state: str) -> Place:
    """Return an emergency access of Ada's."""

    def reached(w: Stage, patch: Any) -> Any:
        ada = w.user("ada")
        row = emergency.open_access(reason="A leak.", hours=1, by=ada)
        if state == "closed":
            emergency.close_access(row, by=ada)
        return type(row).objects.get(pk=row.pk)

    return reached


def pause(state: str) -> Place:
    """Return a pause of the node."""

    def reached(w: Stage, patch: Any) -> Any:
        row = node.pause(reason="Stop.", by=w.user("ada"))
        if state == "resumed":
            node.resume(reason="On.", by=w.user("ada"))
        return type(row).objects.get(pk=row.pk)

    return reached


PLACES: dict[str, Callable[[str], Place]] = {
    "AnalysisRequest": request,
    "Release": release,
    "ApprovalRule": rule,
    "Project": project,
    "Amendment": amendment,
    "AccessGrant": grant,
    "TopUp": topup,
    "LimitProposal": cap,
    "Dataset": dataset,
    "DatasetVersion": version,
    "Upload": upload,
    "AccessPolicy": policy,
    "SyntheticMock": mock,
    "Agreement": agreement,
    "Webhook": webhook,
    "Delivery": delivered,
    "EmergencyAccess": access,
    "Pause": pause,
}


_OF_DATASET = ("stewards", "area__seats")
_OF_PROJECT = ("members", "area__seats")


def _under(path: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{path}__{name}" for name in names)


_OF_GRANT = _under("project", _OF_PROJECT) + _under("dataset", _OF_DATASET)
_ROLES: dict[str, tuple[str, ...]] = {
    "AnalysisRequest": _under("grant", _OF_GRANT),
    "Release": _under("analysis__grant", _OF_GRANT),
    "AccessGrant": _OF_GRANT,
    "TopUp": _under("grant", _OF_GRANT),
    "Project": (*_OF_PROJECT, *_under("grants__dataset", _OF_DATASET)),
    "Amendment": _under("project", (*_OF_PROJECT, *_under("grants__dataset", _OF_DATASET))),
    "Dataset": _OF_DATASET,
    "DatasetVersion": _under("dataset", _OF_DATASET),
    "AccessPolicy": _under("dataset", _OF_DATASET),
    "ApprovalRule": _under("dataset", _OF_DATASET),
    "SyntheticMock": _under("version__dataset", _OF_DATASET),
    "Upload": _under("version__dataset", _OF_DATASET),
    "Agreement": ("dataset__stewards",),
}


def placed(subject: str, state: str, w: Stage, patch: Any) -> Any:
    """Return an object in a state, with what its roles are read from: nobody's change in a walk."""
    row = PLACES[subject](state)(w, patch)
    prefetch_related_objects([row], *_ROLES.get(subject, ()))
    return row


def state_of(subject: str, row: Any) -> str:
    """Return where an object is now, from the database."""
    fresh = type(row).objects.get(pk=row.pk)
    derived: dict[str, Callable[[Any], str]] = {
        "ApprovalRule": lambda o: "ended" if o.ended_at else "in_force" if o.activated_at else "proposed",
        "AccessPolicy": lambda o: "ended" if o.ended_at else "active" if o.activated_at else "proposed",
        "Agreement": lambda o: "retired" if o.retired_at else "in_force" if o.versions.exists() else "draft",
        "EmergencyAccess": lambda o: "open" if o.is_open() else "closed",
        "Pause": lambda o: "resumed" if o.resumed_at else "open",
    }
    return derived[subject](fresh) if subject in derived else str(fresh.status)
