"""Who moves an upload and the test of a connection, from where to where."""

from __future__ import annotations

from domains.base import Machine, Move, arrows
from domains.intake.lifecycle import CHECK, UPLOAD, CheckStatus, UploadStatus
from domains.people.permissions import Permission

_U, _C = UploadStatus, CheckStatus

UPLOAD_MOVES = (
    Move("intake.handlers.check", "Check", "worker", arrows(_U.RECEIVED, to=_U.CHECKING)),
    Move(
        "intake.handlers.check", "Find its columns", "worker", arrows(_U.CHECKING, to=(_U.READY, _U.REFUSED))
    ),
    Move(
        "intake.actions.conform",
        "Make the file",
        Permission.DATASET_EDIT,
        arrows(_U.READY, _U.CONFORMED, to=_U.CONFORMING),
    ),
    Move(
        "intake.handlers.conform",
        "Write it",
        "worker",
        arrows(_U.CONFORMING, to=(_U.CONFORMED, _U.READY)),
    ),
    Move(
        "intake.actions.discard",
        "Discard",
        Permission.DATASET_EDIT,
        arrows(_U.RECEIVED, _U.REFUSED, _U.READY, _U.CONFORMED, to=_U.DISCARDED),
    ),
    Move(
        "intake.upkeep.give_up",
        "Give up",
        "system",
        arrows(_U.RECEIVED, to=_U.CHECKING)
        | arrows(_U.CHECKING, to=_U.REFUSED)
        | arrows(_U.CONFORMING, to=_U.READY),
    ),
)

CHECK_MOVES = (
    Move("intake.placing.check", "Test", "worker", arrows(_C.WAITING, to=(_C.PASSED, _C.REFUSED))),
)

MACHINES = (
    Machine("Upload", "Upload", _U.RECEIVED, UPLOAD, UPLOAD_MOVES),
    Machine("Test of a connection", "ConnectionCheck", _C.WAITING, CHECK, CHECK_MOVES),
)
