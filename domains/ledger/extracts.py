"""Parts of the ledger by what they hang on, for those who tell a whole story from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from domains.catalog.models import Dataset
from domains.ledger.models import Account, Charge, Entry
from domains.projects.models import AccessGrant
from privacy.loss import CURRENCIES


def accounts_of(grants: QuerySet[AccessGrant]) -> QuerySet[Account]:
    """Return the accounts that hang on these grants."""
    return Account.objects.filter(grant__in=grants)


def accounts_of_dataset(dataset: Dataset) -> QuerySet[Account]:
    """Return a dataset's own account and those of the people who ask it."""
    return Account.objects.filter(dataset=dataset)


def charges_of(grants: QuerySet[AccessGrant]) -> QuerySet[Charge]:
    """Return the charges under these grants."""
    return Charge.objects.filter(grant__in=grants)


def entry_lines(grants: QuerySet[AccessGrant]) -> Iterator[dict[str, Any]]:
    """Yield what charges under these grants did to their accounts, in the books' order, without running balances."""
    rows = Entry.objects.filter(charge__grant__in=grants).order_by("seq")
    names = ("charge_id", "account_id", "kind", *CURRENCIES)
    for charge, account, kind, *loss in rows.values_list(*names).iterator(chunk_size=2000):
        yield {
            "charge": charge,
            "account": account,
            "kind": kind,
            **dict(zip(CURRENCIES, loss, strict=True)),
        }
