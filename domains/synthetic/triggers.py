"""What the database itself keeps true of synthetic mocks: terms that stand, and no rows without a paid answer."""

# ruff: noqa: S608 - every name in these statements is a constant of this file

from dataclasses import replace

from domains.triggers import check, guard, kept, register

MOCK, ANSWER, CHARGE = "synthetic_syntheticmock", "ledger_answer", "ledger_charge"
_TERMS = (
    "id", "created_at", "version_id", "sql", "epsilon", "plan", "pricing", "rho", "sha256", "proposed_by_id",
)  # fmt: skip
_ONCE = (
    "decided_at",
    "decided_by_id",
    "charge_id",
    "job_id",
    "published_at",
    "retracted_at",
    "retracted_by_id",
)
_FILLED = ("answer_sha256", "model_sha256", "file_sha256")
_CHANGED = [f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in _TERMS]
_CHANGED += [f"(OLD.{name} IS NOT NULL AND NEW.{name} IS DISTINCT FROM OLD.{name})" for name in _ONCE]
_CHANGED += [f"(OLD.{name} <> '' AND NEW.{name} <> OLD.{name})" for name in _FILLED]
_ENDS = "('retracted', 'declined', 'withdrawn', 'lapsed', 'failed')"

register(
    *kept(MOCK),
    guard(
        f"{MOCK}_terms_stand",
        MOCK,
        on="UPDATE",
        when=" OR ".join(_CHANGED),
        message="what was proposed, decided and published of a synthetic mock stands",
    ),
    guard(
        f"{MOCK}_end_is_final",
        MOCK,
        on="UPDATE",
        when=f"OLD.status IN {_ENDS} AND NEW.status <> OLD.status",
        message="a synthetic mock that ended stays ended",
    ),
    replace(
        check(
            f"{MOCK}_of_an_answer",
            MOCK,
            on="UPDATE",
            unless=f"NEW.status NOT IN ('measured', 'published', 'retracted') OR EXISTS "
            f"(SELECT 1 FROM {ANSWER} a JOIN {CHARGE} c ON c.id = a.charge_id WHERE a.charge_id = NEW.charge_id"
            f" AND a.sha256 = NEW.answer_sha256 AND c.rho = NEW.rho AND c.grant_id IS NULL)",
            message="synthetic rows come of a stored answer that was paid for",
        ),
        needs=(ANSWER, CHARGE),
    ),
)
