"""Everything that people do in the catalogue, gathered for import; each part has a page of its own."""

from domains.catalog.areas import create_area, create_population, end_seat, seat
from domains.catalog.connections import add_connection, edit_connection, retire_connection
from domains.catalog.datasets import assign, create_dataset, describe, end_steward, freeze, unfreeze, withdraw
from domains.catalog.erasing import erase, keep
from domains.catalog.rules import activate_policy, end_policy, propose_policy
from domains.catalog.tables import add_table, declare_table
from domains.catalog.using import declare_use
from domains.catalog.versions import approve_mock, declare, new_version, open_draft, retire

__all__ = [
    "activate_policy",
    "add_connection",
    "add_table",
    "approve_mock",
    "assign",
    "create_area",
    "create_dataset",
    "create_population",
    "declare",
    "declare_table",
    "declare_use",
    "describe",
    "edit_connection",
    "end_policy",
    "end_seat",
    "end_steward",
    "erase",
    "freeze",
    "keep",
    "new_version",
    "open_draft",
    "propose_policy",
    "retire",
    "retire_connection",
    "seat",
    "unfreeze",
    "withdraw",
]
