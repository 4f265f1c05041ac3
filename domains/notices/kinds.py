"""The kinds of notices: what people filter by and choose channels for. Each event belongs to exactly one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of notice. `nouns` begin the events that belong here; `is_binding` kinds cannot be switched off."""

    key: str
    label: str
    meaning: str
    nouns: frozenset[str] = frozenset()
    is_binding: bool = False


# Events that ask the reader to act end in one of these, whatever they are about.
TASK_VERBS = frozenset(
    {
        "submitted",
        "resubmitted",
        "proposed",
        "held",
        "changes_requested",
        "escalated",
        "assigned",
        "due",
        "wanted",
    }
)

SECURITY = Kind(
    "security",
    "Your account",
    "Sign-in, passwords, second factors, roles and tokens. Always told at once.",
    frozenset(
        {"password", "second_factor", "recovery_codes", "passkey", "session", "role", "token", "person"}
        | {"invitation", "break_glass", "webhook"}
    ),
    is_binding=True,
)
TASKS = Kind(
    "tasks",
    "Waiting for you",
    "Somebody needs your decision, your answer or your confirmation.",
    is_binding=True,
)
RESULTS = Kind(
    "results", "Answers", "Answers let out or kept back, and runs that failed.",
    frozenset({"result", "release", "job", "model", "answer"}),
)  # fmt: skip
REQUESTS = Kind("requests", "Requests", "What became of requests.", frozenset({"request"}))
PROJECTS = Kind(
    "projects", "Projects", "Projects, their members, agreements and access grants.",
    frozenset({"project", "member", "grant", "agreement", "amendment"}),
)  # fmt: skip
BUDGETS = Kind(
    "budgets", "Budgets", "Limits raised, cut or nearly used up.",
    frozenset({"account", "limit", "charge", "budget", "topup"}),
)  # fmt: skip
DATA = Kind(
    "data", "Datasets", "Datasets, versions, mocks, policies, files and who cares for them.",
    frozenset(
        {"dataset", "version", "table", "upload", "mock", "synthetic", "policy", "connection", "steward", "rule"}
        | {"seat", "area", "population"}
    ),
)  # fmt: skip
OTHER = Kind("other", "The node", "Everything else about this node.")

KINDS = (TASKS, SECURITY, RESULTS, REQUESTS, PROJECTS, BUDGETS, DATA, OTHER)
BY_KEY = {kind.key: kind for kind in KINDS}
BINDING = tuple(kind.key for kind in KINDS if kind.is_binding)


# Where the verb misleads: being made a steward is news, not a task.
_BY_NAME = {"steward.assigned": DATA}


def kind_of(event: str) -> Kind:
    """Return the kind that an event belongs to: security first, then what asks to act, then by its noun."""
    if event in _BY_NAME:
        return _BY_NAME[event]
    noun, _, verb = event.partition(".")
    if noun in SECURITY.nouns:
        return SECURITY
    if verb in TASK_VERBS:
        return TASKS
    return next((kind for kind in KINDS if noun in kind.nouns), OTHER)
