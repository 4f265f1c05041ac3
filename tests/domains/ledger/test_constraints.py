"""The database keeps the promises by itself: raw SQL that breaks one must fail, on SQLite and on PostgreSQL.

Each attack runs against rows that the protocol made, in its own transaction, deferred checks included.
"""
# ruff: noqa: E501 - one attack a line reads as a table

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from domains import triggers
from domains.audit import checkpoints
from domains.audit.models import AuditEvent, AuditHead, AuditNode
from domains.ledger import protocol
from domains.ledger.models import (
    Account,
    Answer,
    BudgetAlert,
    Charge,
    Entry,
    LimitChange,
    LimitProposal,
    TopUp,
)
from tests.domains.ledger import world as worlds
from tests.domains.ledger.world import World, faults, reserve

pytestmark = pytest.mark.django_db
LEASE = timedelta(minutes=1)


@pytest.fixture
def world() -> World:
    """A world with one charge in each state: r reserved, c committed, a answered, b burnt, v void."""
    made = worlds.build(100)
    ids = {}
    for name in "rcabv":
        with transaction.atomic():
            ids[name] = reserve(made, name, 7, pure=4)
    protocol.commit(ids["c"], lease=LEASE)
    protocol.persist(ids["a"], fence=protocol.commit(ids["a"], lease=LEASE), payload=b"the answer")
    protocol.burn(ids["b"], fence=protocol.commit(ids["b"], lease=LEASE))
    protocol.void(ids["v"], reason="test")
    top = Account.objects.get(pk=made.accounts[0][0])
    LimitProposal.objects.create(
        id="p" * 26,
        account=top,
        limit_version=0,
        rho=200,
        delta=100,
        pure=100,
        epsilon=1,
        reason="r",
        proposed_by=made.people[0],
    )
    LimitProposal.objects.filter(pk="p" * 26).update(
        status="ended", decided_by=made.people[1], decided_at="2026-01-01T00:00Z"
    )
    grant = Account.objects.get(pk=made.accounts[0][2])
    LimitChange.objects.create(
        account=grant, number=1, rho_before=100, rho_after=90, delta_before=100, delta_after=100,
        pure_before=100, pure_after=80, reason="lower", changed_by=made.people[0],
    )  # fmt: skip
    Account.objects.filter(pk=grant.pk).update(rho_limit=90, pure_limit=80, limit_version=1)
    top_up(made, grant)
    BudgetAlert.objects.create(id="a" * 26, account=grant, limit_version=0, threshold=50)
    checkpoints.witness()
    assert faults() == []
    return made


def top_up(made: World, grant: Account) -> None:
    """Ask for a larger budget as one person, who is on the project, and propose it as another, who is not."""
    asker, proposer = made.people[0], made.people[1]
    row = TopUp.objects.create(
        id="t" * 26, grant=grant.grant, asked_epsilon=2, epsilon=2, reason="r", asked_by=asker
    )
    TopUp.objects.filter(pk=row.pk).update(
        status="proposed", rho=200, delta=100, pure=100, limit_version=1, proposed_by=proposer,
        proposed_at="2026-01-01T00:00Z",
    )  # fmt: skip


ENTRY = (
    "INSERT INTO ledger_entry (charge_id, account_id, kind, rho, delta, pure, rho_reserved, rho_spent, delta_reserved, "
    "delta_spent, pure_reserved, pure_spent, at) SELECT c.id, a.id, {kind}, {rho}, {delta}, {pure}, {reserved}, {spent}, "
    "a.delta_reserved, a.delta_spent, a.pure_reserved, {pure_spent}, c.created_at FROM ledger_charge c, ledger_account a WHERE c.idem = {idem} AND a.scope = 'grant' AND a.rho_reserved > 0"
)


def entry(
    idem: str = "'r'",
    kind: str = "'COMMIT'",
    rho: str = "7",
    delta: str = "0",
    reserved: str = "a.rho_reserved",
    spent: str = "a.rho_spent",
    pure: str = "4",
    pure_spent: str = "a.pure_spent",
) -> str:
    return ENTRY.format(
        idem=idem,
        kind=kind,
        rho=rho,
        delta=delta,
        reserved=reserved,
        spent=spent,
        pure=pure,
        pure_spent=pure_spent,
    )


CHARGE = (
    "INSERT INTO ledger_charge (id, created_at, idem, repeat_key, grant_id, person_id, state, rho, delta, pure, "
    "fence, lease_until, certificate) SELECT '{id}', created_at, '{idem}', repeat_key, grant_id, person_id, {state}, {rho}, "
    "{delta}, {pure}, {fence}, NULL, certificate FROM ledger_charge WHERE idem = 'r'"
)


def charge(
    idem: str = "new",
    state: str = "'RESERVED'",
    rho: str = "1",
    delta: str = "0",
    fence: str = "0",
    id: str = "z" * 26,
    pure: str = "0",
) -> str:
    return CHARGE.format(idem=idem, state=state, rho=rho, delta=delta, fence=fence, id=id, pure=pure)


ANSWER = (
    "INSERT INTO ledger_answer (charge_id, payload, sha256, fence, at) "
    "SELECT id, {blob}, 'x', {fence}, created_at FROM ledger_charge WHERE idem = '{idem}'"
)
ACCOUNT = (
    "INSERT INTO ledger_account (id, created_at, scope, population_id, dataset_id, grant_id, person_id, rho_limit, "
    "rho_reserved, rho_spent, delta_limit, delta_reserved, delta_spent, pure_limit, pure_reserved, pure_spent, limit_version, person_rho, "
    "person_delta, person_pure) "
    "SELECT '{id}', created_at, {scope}, {population}, {dataset}, {grant}, {person}, {rho_limit}, {rho_reserved}, "
    "{rho_spent}, 10, 0, 0, {pure_limit}, {pure_reserved}, {pure_spent}, 0, {person_rho}, {person_delta}, {person_pure} FROM ledger_account WHERE scope = '{like}' "
    "ORDER BY id LIMIT 1"
)


def account(like: str, **changes: str) -> str:
    values = {
        "id": "z" * 26, "scope": "scope", "population": "population_id", "dataset": "dataset_id", "grant": "grant_id",
        "person": "person_id", "rho_limit": "10", "rho_reserved": "0", "rho_spent": "0", "person_rho": "NULL",
        "person_delta": "NULL", "person_pure": "NULL", "pure_limit": "10", "pure_reserved": "0", "pure_spent": "0",
    }  # fmt: skip
    return ACCOUNT.format(like=like, **values | changes)


CHANGE = (
    "INSERT INTO ledger_limitchange (id, created_at, account_id, number, rho_before, rho_after, delta_before, "
    "delta_after, pure_before, pure_after, reason, changed_by_id, confirmed_by_id) SELECT '{id}', c.created_at, "
    "{account}, {number}, 100, {after}, 100, 100, 100, {pure_after}, {reason}, c.changed_by_id, {confirmed} FROM ledger_limitchange c"
)


def change(
    account: str = "c.account_id",
    number: str = "2",
    after: str = "95",
    reason: str = "'x'",
    confirmed: str = "NULL",
    pure_after: str = "95",
) -> str:
    return CHANGE.format(
        id="z" * 26,
        account=account,
        number=number,
        after=after,
        reason=reason,
        confirmed=confirmed,
        pure_after=pure_after,
    )


PROPOSAL = (
    "INSERT INTO ledger_limitproposal (id, created_at, account_id, limit_version, rho, delta, pure, epsilon, reason, "
    "status, proposed_by_id, decided_at, decided_by_id) SELECT key, created_at, account_id, 0, 200, 100, {pure}, 1, {reason}, "
    "{status}, proposed_by_id, {at}, {by} FROM ledger_limitproposal, ({keys}) AS keys WHERE id LIKE 'p%'"
)


def proposal(
    keys: str = "SELECT 'z1' AS key",
    reason: str = "'x'",
    status: str = "'open'",
    at: str = "NULL",
    by: str = "NULL",
    pure: str = "100",
) -> str:
    return PROPOSAL.format(keys=keys, reason=reason, status=status, at=at, by=by, pure=pure)


TOPUP = (
    "INSERT INTO ledger_topup (id, created_at, grant_id, status, asked_epsilon, epsilon, pure_epsilon, reason, asked_by_id, rho, delta, pure, "
    "limit_version, proposed_at, proposed_by_id, decided_at, decided_by_id, answer) SELECT 'z', created_at, grant_id, {status}, 2, 2, NULL, {reason}, "
    "asked_by_id, {rho}, delta, pure, limit_version, {proposed_at}, proposed_by_id, {at}, {by}, '' FROM ledger_topup"
)


def topup(
    status: str = "'withdrawn'",
    reason: str = "'x'",
    rho: str = "rho",
    proposed_at: str = "proposed_at",
    at: str = "created_at",
    by: str = "asked_by_id",
) -> str:
    return TOPUP.format(status=status, reason=reason, rho=rho, proposed_at=proposed_at, at=at, by=by)


CONFIRM = "UPDATE ledger_topup SET status = 'confirmed', decided_at = created_at, decided_by_id = "
TOP = "(SELECT id FROM ledger_account WHERE scope = 'population')"
A_PERSON = {
    "scope": "'person'", "grant": "NULL", "dataset": "(SELECT MIN(id) FROM catalog_dataset)",
    "person": "(SELECT MAX(id) FROM people_user)",
}  # fmt: skip
ATTACKS = {
    # accounts
    "reserve above the limit": "UPDATE ledger_account SET rho_reserved = rho_limit + 1 - rho_spent",
    "reserve δ above the limit": "UPDATE ledger_account SET delta_reserved = delta_limit + 1",
    "reserve pure ε above the limit": "UPDATE ledger_account SET pure_reserved = pure_limit + 1 - pure_spent",
    "a negative reserve of pure ε": "UPDATE ledger_account SET pure_reserved = -1",
    "forget what was spent as pure ε": "UPDATE ledger_account SET pure_spent = 0 WHERE pure_spent > 0",
    "spend as pure ε what was reserved as ρ": "UPDATE ledger_account SET rho_reserved = rho_reserved - 1, pure_spent = pure_spent + 1 WHERE rho_reserved > 0",
    "raise a pure limit silently": "UPDATE ledger_account SET pure_limit = pure_limit + 1",
    "a pure limit that is not the change's": "UPDATE ledger_account SET pure_limit = 81, limit_version = 1 WHERE limit_version = 1",
    "raise a person's pure cap silently": "UPDATE ledger_account SET person_rho = 9, person_delta = 9, person_pure = 9 WHERE scope = 'grant'",
    "reserve without an entry": "UPDATE ledger_account SET rho_reserved = rho_reserved + 1",
    "a negative reserve": "UPDATE ledger_account SET rho_reserved = -1",
    "forget what was spent": "UPDATE ledger_account SET rho_spent = 0 WHERE rho_spent > 0",
    "move spent back to reserved": "UPDATE ledger_account SET rho_spent = rho_spent - 1, rho_reserved = rho_reserved + 1 WHERE rho_spent > 0",
    "raise a limit silently": "UPDATE ledger_account SET rho_limit = rho_limit + 1",
    "raise a limit under another version": "UPDATE ledger_account SET rho_limit = rho_limit + 1, limit_version = limit_version + 1",
    "a change's limit that is not the change's": "UPDATE ledger_account SET rho_limit = 91, limit_version = 1 WHERE limit_version = 1",
    "count versions without a change": "UPDATE ledger_account SET limit_version = 7",
    "raise a person's cap silently": "UPDATE ledger_account SET person_rho = 9, person_delta = 9, person_pure = 0 WHERE scope = 'grant'",
    "a person's cap without its pure part": account("grant", person_rho="9", person_delta="9", grant="(SELECT MAX(id) FROM projects_accessgrant)"),
    "an account that starts with pure ε reserved": account("grant", **A_PERSON, pure_reserved="1"),
    "an account that starts with pure ε spent": account("grant", **A_PERSON, pure_spent="1"),
    "a negative pure limit": account("grant", **A_PERSON, pure_limit="-1"),
    "move an account to another grant": "UPDATE ledger_account SET grant_id = (SELECT MAX(id) FROM projects_accessgrant) WHERE scope = 'grant' AND limit_version = 1",
    "delete an account": "DELETE FROM ledger_account",
    "an account that starts reserved": account("grant", **A_PERSON, rho_reserved="1"),
    "an account that starts spent": account("grant", **A_PERSON, rho_spent="1"),
    "a negative limit": account("grant", **A_PERSON, rho_limit="-1"),
    "a scope without its object": account("grant", grant="NULL"),
    "a scope with another's object": account("grant", dataset="(SELECT MIN(id) FROM catalog_dataset)"),
    "a second account of a population": account("population"),
    "a second account of a dataset": account("dataset"),
    "a second account of a grant": account("grant"),
    "a second account of a person": account("person"),
    "a person's cap on a dataset's account": account("dataset", person_rho="1", person_delta="1", person_pure="0"),
    # charges
    "charge less": "UPDATE ledger_charge SET rho = 1",
    "charge less pure ε": "UPDATE ledger_charge SET pure = 1",
    "a charge that gives pure ε back": charge(pure="-1"),
    "charge another person": "UPDATE ledger_charge SET person_id = (SELECT MAX(id) FROM people_user) WHERE idem = 'r'",
    "another key": "UPDATE ledger_charge SET idem = 'other' WHERE idem = 'r'",
    "another certificate": "UPDATE ledger_charge SET certificate = '{}'",
    "commit without a fence": "UPDATE ledger_charge SET state = 'COMMITTED' WHERE idem = 'r'",
    "commit without a lease": "UPDATE ledger_charge SET state = 'COMMITTED', fence = 1 WHERE idem = 'r'",
    "void what was committed": "UPDATE ledger_charge SET state = 'VOID' WHERE idem = 'c'",
    "reserve again what was committed": "UPDATE ledger_charge SET state = 'RESERVED' WHERE idem = 'c'",
    "revive what was burnt": "UPDATE ledger_charge SET state = 'COMMITTED' WHERE idem = 'b'",
    "revive what was void": "UPDATE ledger_charge SET state = 'RESERVED' WHERE idem = 'v'",
    "burn what was reserved": "UPDATE ledger_charge SET state = 'BURNT' WHERE idem = 'r'",
    "burn what was answered": "UPDATE ledger_charge SET state = 'BURNT' WHERE idem = 'a'",
    "another fence": "UPDATE ledger_charge SET fence = fence + 1 WHERE idem = 'c'",
    "a longer lease": "UPDATE ledger_charge SET lease_until = created_at WHERE idem = 'c'",
    "a state of one's own": "UPDATE ledger_charge SET state = 'FREE' WHERE idem = 'r'",
    "delete a charge": "DELETE FROM ledger_charge WHERE idem = 'v'",
    "a second charge with one key": charge(idem="r"),
    "a charge that starts committed": charge(state="'COMMITTED'"),
    "a charge that starts with a fence": charge(fence="1"),
    "a charge in a state of its own": charge(state="'FREE'"),
    "a charge of nothing": charge(rho="0"),
    "a charge of a person under no grant": charge().replace("repeat_key, grant_id, person_id, 'R", "repeat_key, NULL, person_id, 'R"),
    "a charge of a grant by nobody": charge().replace("repeat_key, grant_id, person_id, 'R", "repeat_key, grant_id, NULL, 'R"),
    "turn a grant's charge into everybody's": "UPDATE ledger_charge SET grant_id = NULL, person_id = NULL",
    "a charge that gives back": charge(rho="-1", delta="2"),
    # entries
    "an outcome twice": entry(idem="'c'"),
    "a reservation twice": entry(kind="'RESERVE'"),
    "a second outcome": entry(idem="'c'", kind="'VOID'"),
    "a commit entry of a reserved charge": entry(),
    "a void entry of a reserved charge": entry(kind="'VOID'"),
    "an entry of another loss": entry(rho="8"),
    "an entry of another pure loss": entry(pure="5"),
    "an entry without its pure loss": entry(idem="'v'", kind="'VOID'", pure="0"),
    "a negative entry": entry(rho="-7"),
    "a negative pure entry": entry(pure="-4"),
    "an entry of no kind": entry(kind="'GIFT'"),
    "an entry whose pure balance is made up": entry(idem="'v'", kind="'VOID'", pure_spent="a.pure_spent - 4"),
    "an entry whose balance is made up": entry(idem="'v'", kind="'VOID'", spent="a.rho_spent - 7"),
    "edit an entry": "UPDATE ledger_entry SET rho = 0",
    "delete an entry": "DELETE FROM ledger_entry WHERE kind = 'COMMIT'",
    # answers
    "an answer to a reserved charge": ANSWER.format(idem="r", fence=0, blob="{blob}"),
    "an answer to a burnt charge": ANSWER.format(idem="b", fence=1, blob="{blob}"),
    "an answer to a void charge": ANSWER.format(idem="v", fence=0, blob="{blob}"),
    "an answer under another fence": ANSWER.format(idem="c", fence=2, blob="{blob}"),
    "a second answer": ANSWER.format(idem="a", fence=1, blob="{blob}"),
    "edit an answer": "UPDATE ledger_answer SET sha256 = 'y'",
    "delete an answer": "DELETE FROM ledger_answer",
    # limit changes and proposals
    "edit a limit change": "UPDATE ledger_limitchange SET reason = 'y'",
    "delete a limit change": "DELETE FROM ledger_limitchange",
    "a limit change without a reason": change(reason="''"),
    "a limit change twice": change(number="1"),
    "a limit below nothing": change(after="-1"),
    "a pure limit below nothing": change(pure_after="-1"),
    "raise a cap alone": change(account=TOP, number="1", after="200"),
    "raise a pure cap alone": change(account=TOP, number="1", pure_after="101"),
    "confirm one's own raise": change(account=TOP, number="1", after="200", confirmed="c.changed_by_id"),
    "decide a proposal again": "UPDATE ledger_limitproposal SET status = 'open', decided_by_id = NULL, decided_at = NULL",
    "propose something else afterwards": "UPDATE ledger_limitproposal SET rho = 999",
    "propose more pure ε afterwards": "UPDATE ledger_limitproposal SET pure = 999",
    "a proposal of less than no pure ε": proposal(pure="-1", status="'ended'", at="created_at", by="decided_by_id"),
    "delete a proposal": "DELETE FROM ledger_limitproposal",
    "a proposal without a reason": proposal(reason="''"),
    "confirm one's own proposal": proposal(status="'confirmed'", at="created_at", by="proposed_by_id"),
    "a decision without a person": proposal(status="'ended'", at="created_at"),
    "a confirmation by nobody": proposal(status="'confirmed'"),
    "two open proposals": proposal(keys="SELECT 'z1' AS key UNION ALL SELECT 'z2' AS key"),
    # top-ups and alerts
    "a top-up that starts proposed": topup(status="'proposed'", at="NULL", by="NULL"),
    "two open top-ups of a grant": topup(status="'asked'", at="NULL", by="NULL"),
    "a top-up without a reason": topup(reason="''"),
    "a top-up in a state of its own": topup(status="'free'", at="NULL", by="NULL"),
    "a top-up proposed at a time by nobody": topup().replace("proposed_by_id, created_at", "NULL, created_at"),
    "a top-up decided at no time": topup(at="NULL"),
    "a top-up that ended undecided": topup(at="NULL", by="NULL"),
    "a proposal of nothing": topup(status="'proposed'", rho="NULL", at="NULL", by="NULL"),
    "a top-up declined without an answer": topup(status="'declined'"),
    "a top-up confirmed by who asked": topup(status="'confirmed'"),
    "confirm a larger budget for one's own project": f"{CONFIRM}asked_by_id",
    "confirm one's own larger budget": f"{CONFIRM}proposed_by_id",
    "propose a larger budget afterwards": "UPDATE ledger_topup SET rho = rho + 1",
    "delete a top-up": "DELETE FROM ledger_topup",
    "raise a grant alone": change(after="200"),
    "edit an alert": "UPDATE ledger_budgetalert SET threshold = 95",
    "delete an alert": "DELETE FROM ledger_budgetalert",
    "an alert twice": "INSERT INTO ledger_budgetalert (id, created_at, account_id, limit_version, threshold) SELECT 'z', created_at, account_id, limit_version, threshold FROM ledger_budgetalert",
    "an alert at a share of its own": "INSERT INTO ledger_budgetalert (id, created_at, account_id, limit_version, threshold) SELECT 'z', created_at, account_id, limit_version, 51 FROM ledger_budgetalert",
    # the log
    "edit an event": "UPDATE audit_auditevent SET actor = 'nobody'",
    "delete an event": "DELETE FROM audit_auditevent WHERE \"index\" = 0",
    "edit a node": "UPDATE audit_auditnode SET position = position + 1000",
    "delete a node": "DELETE FROM audit_auditnode",
    "an event out of order": "INSERT INTO audit_auditevent SELECT \"index\" + 1000, event, at, actor, subject_type, subject, body, leaf FROM audit_auditevent WHERE \"index\" = 0",
    "an event twice": "INSERT INTO audit_auditevent SELECT * FROM audit_auditevent WHERE \"index\" = 0",
    "a node twice": "INSERT INTO audit_auditnode (level, position, hash) SELECT level, position, hash FROM audit_auditnode",
    "shorten the log": "UPDATE audit_audithead SET size = size - 1",
    "lengthen the log by nothing": "UPDATE audit_audithead SET size = size + 1",
    "another root": "UPDATE audit_audithead SET root = frontier",
    "forget the witness": "UPDATE audit_audithead SET witnessed = 0",
    "a second head": "INSERT INTO audit_audithead (id, size, frontier, root, witnessed) SELECT 2, 0, frontier, root, 0 FROM audit_audithead",
    "a head that starts full": "INSERT INTO audit_audithead (id, size, frontier, root, witnessed) SELECT 1, 5, frontier, root, 0 FROM audit_audithead",
    "delete the head": "DELETE FROM audit_audithead",
}  # fmt: skip
# Deferred to the end of the transaction, which only PostgreSQL can do; on SQLite the next entry is refused.
DEFERRED = "reserve without an entry"
OURS = ("ledger_", "audit_")
MODELS = (
    *(Account, Answer, BudgetAlert, Charge, Entry, LimitChange, LimitProposal, TopUp),
    *(AuditEvent, AuditHead, AuditNode),
)
_COLUMNS = re.compile(r"UNIQUE constraint failed: (.*)")


def refusal(world: World, name: str) -> str:
    """Run one attack, always roll it back, and return the error's first line; empty when nothing refused it."""
    blob = "'x'::bytea" if connection.vendor == "postgresql" else "x'78'"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(ATTACKS[name].replace("{blob}", blob))
            assert cursor.rowcount != 0, f"{name}: touched no row and so proves nothing"
            if name == DEFERRED and connection.vendor == "sqlite":
                reserve(world, "next", 1)
            connection.check_constraints()
            transaction.set_rollback(True)
    except IntegrityError as error:
        return str(error).splitlines()[0]
    return ""


def promises() -> dict[str, str]:
    """Return each promise of both apps, a trigger's or constraint's name, with the words by which it is known."""
    found = {}
    for trigger in triggers.expected():
        if trigger.table.startswith(OURS) and (text := trigger.text(connection.vendor)):
            found[trigger.name] = text
    for model in MODELS:
        for constraint in model._meta.constraints:
            fields = getattr(constraint, "fields", ())
            columns = [model._meta.get_field(name).column for name in fields]
            found[constraint.name] = ", ".join(f"{model._meta.db_table}.{column}" for column in columns)
    return found


def kept(error: str, statement: str) -> set[str]:
    """Name the promises that an error says were kept."""
    verb = statement.split(maxsplit=1)[0]
    columns = _COLUMNS.search(error)
    quoted = "'" + error.replace("'", "''") + "'"
    return {
        name
        for name, words in promises().items()
        if name in error
        or (columns and words == columns.group(1))
        or (quoted in words and re.search(rf"(BEFORE|AFTER) [A-Z ]*{verb}", words))
    }


def test_the_database_refuses_each_attack(world: World) -> None:
    assert [name for name in ATTACKS if not refusal(world, name)] == []
    assert faults() == []


def test_each_trigger_and_each_constraint_refuses_some_attack_by_itself(world: World) -> None:
    """With triggers, each of them is hit; without them, each constraint is, which shows that neither only hides."""
    hit: set[str] = set()
    for name, statement in ATTACKS.items():
        hit |= kept(refusal(world, name), statement)
    triggers.lift(connection)
    for name, statement in ATTACKS.items():
        if name != DEFERRED:
            hit |= kept(refusal(world, name), statement)
    triggers.install(connection)
    truncating = {name for name in promises() if name.endswith("_no_truncate")}  # attacked below
    assert set(promises()) - truncating - hit == set()


@pytest.mark.parametrize(
    "lifted", ["ledger_charge_moves", "ledger_entry_adds_up", "audit_audithead_only_grows"]
)
def test_an_attack_comes_through_once_its_trigger_is_gone(world: World, lifted: str) -> None:
    """The planted fault: without a trigger, the list of attacks notices."""
    trigger = next(t for t in triggers.expected() if t.name == lifted)
    with connection.cursor() as cursor:
        on = "" if connection.vendor == "sqlite" else f" ON {trigger.table}"
        cursor.execute(f"DROP TRIGGER {lifted}{on}")
    assert triggers.missing(connection) == [lifted]
    assert any(not refusal(world, name) for name in ATTACKS)


@pytest.mark.django_db(transaction=True)  # PostgreSQL empties no table whose triggers are pending
def test_tables_are_never_emptied(world: World) -> None:
    tables = [model._meta.db_table for model in MODELS]
    if connection.vendor == "sqlite":  # it has no TRUNCATE; DELETE without WHERE is what comes nearest
        statements = [f"DELETE FROM {table}" for table in tables]
    else:
        statements = [f"TRUNCATE {table} CASCADE" for table in tables]
    for statement in statements:
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert faults() == []


def test_every_expected_trigger_stands(world: World) -> None:
    assert triggers.missing(connection) == []
