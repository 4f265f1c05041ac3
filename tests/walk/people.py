"""Who walks, and what each may: written down here, so that the walk does not ask the node what to expect."""

from __future__ import annotations

from domains.people.permissions import _READS, TABLE, Permission, Role

R = Role
_STEWARD = {R.OWNER, R.DATASET_OWNER}

NODE: dict[str, set[Role]] = {
    "alice": {R.OWNER},
    "bea": {R.OWNER},
    "rita": {R.REVIEWER},
    "rob": {R.REVIEWER},
    "sam": {R.SCIENTIST},
    "max": {R.SCIENTIST},
    "ada": {R.ADMINISTRATOR},
    "theo": {R.AUDITOR},
    "charlie": {R.SCIENTIST},  # on no project and of no dataset
    "hat": {R.SCIENTIST, R.OWNER, R.REVIEWER},  # on the project, and cares for the dataset besides
    "dot": {R.SCIENTIST, R.ADMINISTRATOR},  # on the project, and administers besides
    "sue": set(),  # had hat's roles, and is suspended
}
AREA: dict[str, set[Role]] = {
    "alice": {R.AREA_OWNER},
    "rita": {R.AREA_REVIEWER},
    "rob": {R.AREA_REVIEWER},
    "hat": {R.AREA_REVIEWER},
}
DATASET: dict[str, set[Role]] = {
    "alice": {R.DATASET_OWNER},
    "bea": {R.DATASET_OWNER},
    "hat": {R.DATASET_OWNER},
    "rita": {R.DATASET_REVIEWER},
}
PROJECT: dict[str, set[Role]] = {
    "sam": {R.PROJECT_LEAD},
    "max": {R.PROJECT_MEMBER},
    "hat": {R.PROJECT_MEMBER},
    "dot": {R.PROJECT_MEMBER},
}
AUTHOR: dict[str, set[Role]] = {"sam": {R.AUTHOR}}

# Which of these an object gives, by the class of what is moved.
GIVES: dict[str, tuple[dict[str, set[Role]], ...]] = {
    "AnalysisRequest": (AREA, DATASET, PROJECT, AUTHOR),
    "Release": (AREA, DATASET, PROJECT, AUTHOR),
    "AccessGrant": (AREA, DATASET, PROJECT),
    "TopUp": (AREA, DATASET, PROJECT),
    "Project": (AREA, DATASET, PROJECT),
    "Amendment": (AREA, DATASET, PROJECT),
    "Dataset": (AREA, DATASET),
    "DatasetVersion": (AREA, DATASET),
    "AccessPolicy": (AREA, DATASET),
    "ApprovalRule": (AREA, DATASET),
    "LimitProposal": (AREA, DATASET),
    "SyntheticMock": (AREA, DATASET),
    "Upload": (AREA, DATASET),
    "Agreement": (DATASET,),
    "Webhook": (),
    "Delivery": (),
    "EmergencyAccess": (),
    "Pause": (),
}
# Asked of the dataset, of which every member of the node may know.
OF_A_DATASET = {"LimitProposal"}
# Asked of no object: whoever may not is told so, for there is nothing to hide.
OF_THE_NODE = {"Webhook", "Delivery", "EmergencyAccess", "Pause"}

# Whom separation of duties bars, by the word in the table of moves; everything here was made by these people.
BARRED: dict[str, set[str]] = {
    "project": {"sam", "max", "hat", "dot"},
    "approver": {"alice"},
    "proposer": {"hat"},
    "asker": {"sam"},
    "suspender": {"rita"},
    "owner": {"alice", "bea", "hat"},
}
# Of a top-up, Ada is the proposer: nobody on the project can be.
BARRED_OF: dict[str, dict[str, set[str]]] = {"TopUp": {"proposer": {"ada"}}}
ONLY: dict[str, set[str]] = {
    "decider": {"alice"},
    "proposer": {"hat"},
    "asker or proposer": {"sam"},
    "owner": {"sam"},
    "opener": {"ada"},
}


def held(name: str, subject: str) -> set[Role]:
    """Return the roles that count for somebody on an object."""
    if name == "sue":
        return set()
    return NODE[name].union(*(given.get(name, set()) for given in GIVES[subject]))


def may(name: str, subject: str, owner: str) -> bool:
    """Answer whether one of somebody's roles holds the permission."""
    return any(Permission(owner) in TABLE[role] for role in held(name, subject))


def refusal(name: str, subject: str, is_public: bool) -> str:
    """Return the code that somebody without the permission gets: they learn of what they may read, and of no more."""
    reads = any(TABLE[role] & _READS for role in held(name, subject))
    return "not_allowed" if reads or is_public or subject in OF_THE_NODE | OF_A_DATASET else "not_found"


def only(subject: str, state: str, word: str) -> set[str]:
    """Return who alone may: of a top-up that was proposed, who proposed it too."""
    return ONLY[word] | ({"ada"} if subject == "TopUp" and state in {"proposed", "confirmed"} else set())
