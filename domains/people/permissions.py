"""The one table of who may do what, and the one sentence that asks it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from domains.errors import NotAllowed, NotFound

if TYPE_CHECKING:
    from domains.people.models import User


class Role(StrEnum):
    """Roles a person is given node-wide, and those an object gives (this dataset's owner, that project's member)."""

    SCIENTIST = "scientist"
    OWNER = "owner"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    AREA_OWNER = "area_owner"
    AREA_REVIEWER = "area_reviewer"
    DATASET_OWNER = "dataset_owner"
    DATASET_REVIEWER = "dataset_reviewer"
    PROJECT_LEAD = "project_lead"
    PROJECT_MEMBER = "project_member"
    AUTHOR = "author"


def label(role: Role | str) -> str:
    """Name a role in words: `data scientist` for `scientist`."""
    return {"scientist": "data scientist", "owner": "data owner"}.get(str(role), str(role).replace("_", " "))


NODE_ROLES = (Role.SCIENTIST, Role.OWNER, Role.REVIEWER, Role.ADMINISTRATOR, Role.AUDITOR)


class Permission(StrEnum):
    """Each is asked by at least one action; `docs/reference/permissions.md` is generated from this table."""

    CATALOGUE_READ = "catalogue.read"
    AREA_MANAGE = "area.manage"
    DATASET_CREATE = "dataset.create"
    DATASET_EDIT = "dataset.edit"
    DATASET_PUBLISH = "dataset.publish"
    DATASET_FREEZE = "dataset.freeze"
    DATASET_ASSIGN = "dataset.assign"
    DATASET_ERASE = "dataset.erase"
    MOCK_APPROVE = "mock.approve"
    SYNTHETIC_PROPOSE = "synthetic.propose"
    SYNTHETIC_CONFIRM = "synthetic.confirm"
    SYNTHETIC_RETRACT = "synthetic.retract"
    CONNECTION_MANAGE = "connection.manage"
    POLICY_PROPOSE = "policy.propose"
    POLICY_ACTIVATE = "policy.activate"
    PROJECT_CREATE = "project.create"
    PROJECT_READ = "project.read"
    PROJECT_EDIT = "project.edit"
    PROJECT_REVIEW = "project.review"
    PROJECT_CLOSE = "project.close"
    PROJECT_SUSPEND = "project.suspend"
    BUDGET_READ = "budget.read"
    BUDGET_ALLOCATE = "budget.allocate"
    BUDGET_ASK = "budget.ask"
    BUDGET_CONFIRM = "budget.confirm"
    CAP_PROPOSE = "cap.propose"
    CAP_APPROVE = "cap.approve"
    GRANT_REVOKE = "grant.revoke"
    REQUEST_CREATE = "request.create"
    REQUEST_READ = "request.read"
    REQUEST_EDIT = "request.edit"
    REQUEST_SUBMIT = "request.submit"
    REQUEST_WITHDRAW = "request.withdraw"
    REQUEST_COMMENT = "request.comment"
    REQUEST_REVIEW = "request.review"
    RESULT_READ = "result.read"
    RESULT_RELEASE = "result.release"
    PEOPLE_READ = "people.read"
    PEOPLE_MANAGE = "people.manage"
    AUDIT_READ = "audit.read"
    AUDIT_RECONCILE = "audit.reconcile"
    NOTICE_MANAGE = "notice.manage"
    NODE_OPERATE = "node.operate"
    AGREEMENT_ACCEPT = "agreement.accept"
    AGREEMENT_MANAGE = "agreement.manage"
    TERMS_MANAGE = "terms.manage"
    FORM_MANAGE = "form.manage"
    NODE_PAUSE = "node.pause"
    BREAK_GLASS_OPEN = "break_glass.open"
    BREAK_GLASS_READ = "break_glass.read"
    TOKEN_MANAGE = "token.manage"  # noqa: S105 - a permission's name, no secret


_P = Permission

TABLE: dict[Role, frozenset[Permission]] = {
    Role.SCIENTIST: frozenset(
        {_P.CATALOGUE_READ, _P.PROJECT_CREATE, _P.AGREEMENT_ACCEPT, _P.NOTICE_MANAGE, _P.TOKEN_MANAGE}
    ),
    Role.OWNER: frozenset({_P.CATALOGUE_READ, _P.NOTICE_MANAGE, _P.TOKEN_MANAGE}),
    Role.REVIEWER: frozenset({_P.CATALOGUE_READ, _P.NOTICE_MANAGE, _P.TOKEN_MANAGE}),
    Role.ADMINISTRATOR: frozenset(
        {
            _P.CATALOGUE_READ,
            _P.AREA_MANAGE,
            _P.CONNECTION_MANAGE,
            _P.PROJECT_READ,
            _P.BUDGET_READ,
            _P.BUDGET_ALLOCATE,
            _P.BUDGET_CONFIRM,
            _P.PEOPLE_READ,
            _P.PEOPLE_MANAGE,
            _P.AUDIT_RECONCILE,
            _P.NODE_OPERATE,
            _P.NOTICE_MANAGE,
            _P.TERMS_MANAGE,
            _P.FORM_MANAGE,
            _P.NODE_PAUSE,
            _P.BREAK_GLASS_OPEN,
            _P.BREAK_GLASS_READ,
            _P.TOKEN_MANAGE,
        }
    ),
    Role.AUDITOR: frozenset(
        {
            _P.CATALOGUE_READ,
            _P.PROJECT_READ,
            _P.BUDGET_READ,
            _P.REQUEST_READ,
            _P.PEOPLE_READ,
            _P.AUDIT_READ,
            _P.NOTICE_MANAGE,
            _P.BREAK_GLASS_READ,
            _P.TOKEN_MANAGE,
        }
    ),
    Role.AREA_OWNER: frozenset(
        {_P.DATASET_CREATE, _P.CAP_PROPOSE, _P.CONNECTION_MANAGE, _P.AGREEMENT_MANAGE}
    ),
    Role.AREA_REVIEWER: frozenset(
        {
            _P.PROJECT_READ,
            _P.PROJECT_REVIEW,
            _P.PROJECT_SUSPEND,
            _P.CAP_APPROVE,
            _P.MOCK_APPROVE,
            _P.POLICY_ACTIVATE,
            _P.SYNTHETIC_CONFIRM,
        }
    ),
    Role.DATASET_OWNER: frozenset(
        {
            _P.SYNTHETIC_PROPOSE,
            _P.SYNTHETIC_CONFIRM,
            _P.SYNTHETIC_RETRACT,
            _P.AGREEMENT_MANAGE,
            _P.DATASET_EDIT,
            _P.DATASET_PUBLISH,
            _P.DATASET_FREEZE,
            _P.DATASET_ASSIGN,
            _P.DATASET_ERASE,
            _P.POLICY_PROPOSE,
            _P.CAP_PROPOSE,
            _P.BUDGET_READ,
            _P.BUDGET_CONFIRM,
            _P.PROJECT_READ,
            _P.GRANT_REVOKE,
            _P.REQUEST_READ,
            _P.REQUEST_COMMENT,
            _P.REQUEST_REVIEW,
            _P.RESULT_RELEASE,
        }
    ),
    Role.DATASET_REVIEWER: frozenset(
        {
            _P.SYNTHETIC_CONFIRM,
            _P.BUDGET_READ,
            _P.PROJECT_READ,
            _P.REQUEST_READ,
            _P.REQUEST_COMMENT,
            _P.REQUEST_REVIEW,
            _P.RESULT_RELEASE,
        }
    ),
    Role.PROJECT_LEAD: frozenset(
        {
            _P.PROJECT_READ,
            _P.PROJECT_EDIT,
            _P.PROJECT_CLOSE,
            _P.BUDGET_READ,
            _P.BUDGET_ASK,
            _P.REQUEST_CREATE,
            _P.REQUEST_READ,
            _P.REQUEST_COMMENT,
            _P.RESULT_READ,
        }
    ),
    Role.PROJECT_MEMBER: frozenset(
        {
            _P.PROJECT_READ,
            _P.BUDGET_READ,
            _P.BUDGET_ASK,
            _P.REQUEST_CREATE,
            _P.REQUEST_READ,
            _P.REQUEST_COMMENT,
            _P.RESULT_READ,
        }
    ),
    Role.AUTHOR: frozenset(
        {_P.REQUEST_READ, _P.REQUEST_COMMENT, _P.REQUEST_EDIT, _P.REQUEST_SUBMIT, _P.REQUEST_WITHDRAW}
    ),
}


class HasRoles(Protocol):
    """What an object offers so that `people` need not import anything above it."""

    def roles_of(self, user: User) -> set[Role]:
        """Return the roles this object gives `user`."""
        ...


# Reading is what one must be able to do before one may even learn that an object exists.
_READS: frozenset[Permission] = frozenset({_P.PROJECT_READ, _P.REQUEST_READ})


def roles(user: User, on: HasRoles | None) -> set[Role]:
    """Collect the roles that count for `user`, node-wide and on the object."""
    if not user.is_active:
        return set()
    return user.node_roles | (on.roles_of(user) if on is not None else set())


def allows(user: User, permission: Permission, *, on: HasRoles | None = None) -> bool:
    """Answer whether `user` may; the same table that `require` enforces."""
    if permission not in _scope_of(user):
        return False
    return any(permission in TABLE[role] for role in roles(user, on))


def require(user: User, permission: Permission, *, on: HasRoles | None = None) -> None:
    """Raise unless `user` may: NotFound when they may not read the object either, else NotAllowed."""
    if allows(user, permission, on=on):
        return
    held = roles(user, on)
    if on is not None and not any(TABLE[role] & _READS for role in held & set(on.roles_of(user))):
        visible = any(TABLE[role] & _READS for role in held) or getattr(on, "is_public", False)
        if not visible:
            raise NotFound("There is nothing here that you can see.")
    if permission not in _scope_of(user):
        raise NotAllowed(f"This token was not given the scope “{permission.value}”.", code="token_scope")
    raise NotAllowed(f"Your role does not include “{permission.value}”.")


def _scope_of(user: User) -> frozenset[Permission]:
    """Return what the credential may be used for: everything in a session, the scopes of a token (S9)."""
    return user.token_scopes if user.token_scopes is not None else frozenset(Permission)
