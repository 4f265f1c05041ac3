"""A small world for the ledger: one population, two datasets, two grants, two people; and an outside check of I1–I6.

Rows are made directly, because what is under test here is what stands beneath every road.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from domains.base import new_id
from domains.catalog.models import Dataset, Population, ResearchArea
from domains.ledger import protocol
from domains.ledger.models import Account, Scope
from domains.people.models import User
from domains.projects.lifecycle import GrantStatus, ProjectStatus
from domains.projects.models import AccessGrant, Project, ProjectMember
from privacy.loss import Loss


@dataclass
class World:
    """Who and what there is; `accounts` holds the ids of each grant's four accounts."""

    people: list[User]
    population: Population
    datasets: list[Dataset]
    grants: list[AccessGrant]
    accounts: list[list[str]]


def build(limit: int, *, delta: int | None = None, pure: int | None = None) -> World:
    """Make a world whose every account holds `limit` units of ρ, and of δ and pure ε unless said otherwise."""
    tag = new_id().lower()
    people = [User.objects.create_user(f"{n}-{tag}@hospital.example", name=n) for n in ("sam", "pat")]
    area = ResearchArea.objects.create(slug=f"area-{tag}", name=f"Area {tag}")
    population = Population.objects.create(
        name=f"Patients {tag}", unit_label="one patient", created_by=people[0]
    )
    caps = {
        "rho_limit": limit,
        "delta_limit": limit if delta is None else delta,
        "pure_limit": limit if pure is None else pure,
    }
    top = Account.objects.create(scope=Scope.POPULATION, population=population, **caps)
    datasets, grants, accounts = [], [], []
    for number, person in enumerate(people):
        dataset = Dataset.objects.create(
            area=area,
            population=population,
            slug=f"d{number}-{tag}",
            title=f"Dataset {number}",
            created_by=person,
        )
        project = Project.objects.create(
            area=area, title=f"Project {number}", status=ProjectStatus.APPROVED, created_by=person
        )
        ProjectMember.objects.create(project=project, user=person, role="project_lead", added_by=person)
        grant = AccessGrant.objects.create(project=project, dataset=dataset, status=GrantStatus.GRANTED)
        own = [
            Account.objects.create(scope=Scope.DATASET, dataset=dataset, **caps),
            Account.objects.create(scope=Scope.GRANT, grant=grant, **caps),
            Account.objects.create(scope=Scope.PERSON, dataset=dataset, person=person, **caps),
        ]
        datasets.append(dataset)
        grants.append(grant)
        accounts.append([top.pk, *(account.pk for account in own)])
    return World(people, population, datasets, grants, accounts)


def reserve(
    world: World,
    idem: str,
    amount: int,
    *,
    which: int = 0,
    delta: int = 0,
    pure: int = 0,
    for_everybody: bool = False,
    **changes: Any,
) -> str:
    """Reserve `amount` units of ρ under grant `which`, or for everybody under its dataset; call it in a transaction."""
    values: dict[str, Any] = {
        "idem": idem,
        "repeat_key": f"repeat-{idem}",
        "accounts": world.accounts[which],
        "grant": world.grants[which],
        "person": world.people[which],
        "loss": Loss(amount, delta, pure),
        "certificate": {"plan": "a" * 64},
    }
    if for_everybody:
        values |= {"accounts": world.accounts[which][:2], "grant": None, "person": None}
    return protocol.reserve(**values | changes)


_FOLD = """
SELECT a.id FROM ledger_account a LEFT JOIN (
    SELECT account_id,
        SUM(CASE kind WHEN 'RESERVE' THEN rho ELSE -rho END) AS rho_reserved,
        SUM(CASE kind WHEN 'COMMIT' THEN rho ELSE 0 END) AS rho_spent,
        SUM(CASE kind WHEN 'RESERVE' THEN delta ELSE -delta END) AS delta_reserved,
        SUM(CASE kind WHEN 'COMMIT' THEN delta ELSE 0 END) AS delta_spent,
        SUM(CASE kind WHEN 'RESERVE' THEN pure ELSE -pure END) AS pure_reserved,
        SUM(CASE kind WHEN 'COMMIT' THEN pure ELSE 0 END) AS pure_spent
    FROM ledger_entry GROUP BY account_id) f ON f.account_id = a.id
WHERE a.rho_reserved <> COALESCE(f.rho_reserved, 0) OR a.rho_spent <> COALESCE(f.rho_spent, 0)
    OR a.delta_reserved <> COALESCE(f.delta_reserved, 0) OR a.delta_spent <> COALESCE(f.delta_spent, 0)
    OR a.pure_reserved <> COALESCE(f.pure_reserved, 0) OR a.pure_spent <> COALESCE(f.pure_spent, 0)
"""
_INVARIANTS = {
    "I1 overspent": """SELECT id FROM ledger_account
        WHERE rho_spent + rho_reserved > rho_limit OR delta_spent + delta_reserved > delta_limit
            OR pure_spent + pure_reserved > pure_limit""",
    "I2 an entry is not its charge's loss": """SELECT e.seq FROM ledger_entry e JOIN ledger_charge c
        ON c.id = e.charge_id WHERE e.rho <> c.rho OR e.delta <> c.delta OR e.pure <> c.pure""",
    "I2 an account is not the fold of its entries": _FOLD,
    "I3 an answer without a committed charge": """SELECT a.charge_id FROM ledger_answer a
        JOIN ledger_charge c ON c.id = a.charge_id WHERE c.state <> 'COMMITTED' OR c.fence <> a.fence""",
    "I4 not exactly one COMMIT per account": """SELECT c.id FROM ledger_charge c JOIN ledger_entry e
        ON e.charge_id = c.id WHERE c.state IN ('COMMITTED', 'BURNT') GROUP BY c.id, e.account_id
        HAVING SUM(CASE e.kind WHEN 'COMMIT' THEN 1 ELSE 0 END) <> 1""",
    "I5 void and spent": """SELECT c.id FROM ledger_charge c JOIN ledger_entry e ON e.charge_id = c.id
        WHERE c.state = 'VOID' AND e.kind = 'COMMIT'""",
    "I6 two outcomes": """SELECT charge_id FROM ledger_entry WHERE kind IN ('COMMIT', 'VOID')
        GROUP BY charge_id, account_id HAVING COUNT(*) > 1""",
    "a charge without entries": """SELECT c.id FROM ledger_charge c
        WHERE NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.charge_id = c.id AND e.kind = 'RESERVE')""",
    "an entry on another's account": """SELECT e.seq FROM ledger_entry e JOIN ledger_charge c ON c.id = e.charge_id
        JOIN ledger_account a ON a.id = e.account_id
        WHERE (a.scope = 'grant' AND a.grant_id IS DISTINCT FROM c.grant_id)
            OR (a.scope = 'person' AND a.person_id IS DISTINCT FROM c.person_id)""",
    "a charge that not all of its accounts pay": """SELECT c.id FROM ledger_charge c
        JOIN ledger_entry e ON e.charge_id = c.id AND e.kind = 'RESERVE' JOIN ledger_account a ON a.id = e.account_id
        GROUP BY c.id, c.grant_id
        HAVING COUNT(DISTINCT a.scope) <> CASE WHEN c.grant_id IS NULL THEN 2 ELSE 4 END""",
    "I11 not one leaf per transition": """SELECT c.id FROM ledger_charge c WHERE
        (CASE c.state WHEN 'RESERVED' THEN 1 WHEN 'COMMITTED' THEN 2 WHEN 'BURNT' THEN 3 ELSE 2 END)
        + (SELECT COUNT(*) FROM ledger_answer a WHERE a.charge_id = c.id)
        <> (SELECT COUNT(*) FROM audit_auditevent v WHERE v.subject_type = 'charge' AND v.subject = c.id)""",
}


def faults() -> list[str]:
    """Name each invariant that the stored rows break, in SQL that shares nothing with the protocol."""
    found = []
    with connection.cursor() as cursor:
        for name, query in _INVARIANTS.items():
            cursor.execute(query)
            rows = cursor.fetchall()
            if rows:
                found.append(f"{name}: {len(rows)} rows, such as {rows[0][0]}")
    return found
