"""Who moves a dataset, its versions and its policies, from where to where."""

from __future__ import annotations

from domains.base import Machine, Move, State, arrows
from domains.catalog.lifecycle import DATASET, VERSION, DatasetStatus, VersionStatus
from domains.people.permissions import Permission, Role

_D, _V = DatasetStatus, VersionStatus
_USED = (_D.DRAFT, _D.PUBLISHED, _D.FROZEN)

DATASET_MOVES = (
    Move("catalog.datasets.describe", "Describe", Permission.DATASET_EDIT, arrows(*_USED)),
    Move("catalog.using.declare_use", "Declare conditions of use", Permission.DATASET_EDIT, arrows(*_USED)),
    Move("catalog.datasets.assign", "Share its care", Permission.DATASET_ASSIGN, arrows(*_D)),
    Move("catalog.versions.new_version", "Start a version", Permission.DATASET_EDIT, arrows(*_USED)),
    Move("catalog.versions.open_draft", "Open the draft", Permission.DATASET_EDIT, arrows(*_USED)),
    Move(
        "intake.actions.publish",
        "Publish a version",
        Permission.DATASET_PUBLISH,
        arrows(_D.DRAFT, to=_D.PUBLISHED),
        pauses=True,
        through="a version",
    ),
    Move("catalog.rules.propose_policy", "Propose a policy", Permission.POLICY_PROPOSE, arrows(*_D)),
    Move("requests.rules.set_rule", "Set the approval rule", Permission.POLICY_PROPOSE, arrows(*_D)),
    Move(
        "synthetic.actions.propose",
        "Propose synthetic rows",
        Permission.SYNTHETIC_PROPOSE,
        arrows(_D.PUBLISHED),
    ),
    Move("catalog.datasets.freeze", "Freeze", Permission.DATASET_FREEZE, arrows(_D.PUBLISHED, to=_D.FROZEN)),
    Move(
        "emergency.actions.freeze_dataset",
        "Freeze",
        Permission.BREAK_GLASS_OPEN,
        arrows(_D.PUBLISHED, to=_D.FROZEN),
        through="an emergency access",
    ),
    Move(
        "catalog.datasets.unfreeze", "Unfreeze", Permission.DATASET_FREEZE, arrows(_D.FROZEN, to=_D.PUBLISHED)
    ),
    Move(
        "catalog.datasets.withdraw",
        "Withdraw",
        Permission.DATASET_FREEZE,
        arrows(_D.PUBLISHED, _D.FROZEN, to=_D.WITHDRAWN),
    ),
)

VERSION_MOVES = (
    Move("catalog.versions.declare", "Declare its schema", Permission.DATASET_EDIT, arrows(_V.DRAFT)),
    Move("catalog.tables.add_table", "Add a table", Permission.DATASET_EDIT, arrows(_V.DRAFT)),
    Move(
        "intake.connecting.place",
        "Place it in a database",
        Permission.DATASET_EDIT,
        arrows(_V.DRAFT),
        through="a connection",
    ),
    Move(
        "catalog.versions.approve_mock",
        "Approve its mock",
        Permission.MOCK_APPROVE,
        arrows(_V.DRAFT),
        frozenset({"owner"}),
        pauses=True,
    ),
    Move(
        "intake.actions.publish",
        "Publish",
        Permission.DATASET_PUBLISH,
        arrows(_V.DRAFT, to=_V.PUBLISHED),
        pauses=True,
    ),
    Move(
        "catalog.versions.retire", "Retire", Permission.DATASET_PUBLISH, arrows(_V.PUBLISHED, to=_V.RETIRED)
    ),
    Move(
        "catalog.erasing.erase", "Erase its data", Permission.DATASET_ERASE, arrows(_V.RETIRED, to=_V.ERASING)
    ),
    Move(
        "catalog.erasing.keep",
        "Keep it after all",
        Permission.DATASET_ERASE,
        arrows(_V.ERASING, to=_V.RETIRED),
    ),
    Move("catalog.erasing.sweep", "Destroy the keys", "worker", arrows(_V.ERASING, to=_V.ERASED)),
)

# No status field: a policy is what was decided about it.
POLICY = {
    "proposed": State(
        "Proposed",
        Role.AREA_REVIEWER,
        frozenset({"active", "ended"}),
        "A second person tries it on past requests, and activates it.",
    ),
    "active": State("Active", None, frozenset({"ended"}), "Asked about every request that is submitted."),
    "ended": State(
        "Ended", None, frozenset(), "Asked no more; what it approved is judged again before it runs."
    ),
}
_TRIED = arrows("proposed", "active")
POLICY_MOVES = (
    Move("requests.dry_runs.try_policy", "Try it on past requests", Permission.POLICY_ACTIVATE, _TRIED),
    Move("requests.dry_runs.try_policy", "Try it on past requests", Permission.POLICY_PROPOSE, _TRIED),
    Move(
        "catalog.rules.activate_policy",
        "Activate",
        Permission.POLICY_ACTIVATE,
        arrows("proposed", to="active"),
        frozenset({"proposer"}),
        pauses=True,
    ),
    Move(
        "catalog.rules.end_policy", "End", Permission.POLICY_PROPOSE, arrows("proposed", "active", to="ended")
    ),
    Move(
        "catalog.rules.activate_policy",
        "Activate another",
        Permission.POLICY_ACTIVATE,
        arrows("active", to="ended"),
        through="another policy",
    ),
)

MACHINES = (
    Machine("Dataset", "Dataset", _D.DRAFT, DATASET, DATASET_MOVES),
    Machine("Dataset version", "DatasetVersion", _V.DRAFT, VERSION, VERSION_MOVES),
    Machine("Access policy", "AccessPolicy", "proposed", POLICY, POLICY_MOVES, is_derived=True),
)
