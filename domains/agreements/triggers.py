"""What the database itself promises about agreements: texts and acceptances stand, and bind the same bytes."""

from domains.triggers import append_only, check, kept, register

_AGREEMENT, _VERSION = "agreements_agreement", "agreements_agreementversion"
_ACCEPTANCE, _REMINDER = "agreements_acceptance", "agreements_reminder"
_SAME = " AND ".join(
    f"NEW.{c} IS NOT DISTINCT FROM OLD.{c}" for c in ("id", "created_at", "kind", "area_id", "dataset_id")
)

register(
    *kept(_AGREEMENT),
    check(
        f"{_AGREEMENT}_stays_what_it_is",
        _AGREEMENT,
        on="UPDATE",
        unless=f"OLD.retired_at IS NULL AND {_SAME}",
        message="an agreement keeps what it is for, and is retired for good",
    ),
    *append_only(_VERSION),
    check(
        f"{_VERSION}_follows",
        _VERSION,
        on="INSERT",
        unless=f"NEW.number = 1 + COALESCE((SELECT MAX(v.number) FROM {_VERSION} v "  # noqa: S608 - constants
        "WHERE v.agreement_id = NEW.agreement_id), 0)",
        message="versions of an agreement are numbered without a gap",
    ),
    *append_only(_ACCEPTANCE),
    check(
        f"{_ACCEPTANCE}_of_these_bytes",
        _ACCEPTANCE,
        on="INSERT",
        unless=f"EXISTS (SELECT 1 FROM {_VERSION} v "  # noqa: S608 - constants
        "WHERE v.id = NEW.version_id AND v.sha256 = NEW.sha256 "
        "AND (v.valid_days IS NULL) = (NEW.expires_at IS NULL)) "
        f"AND (NEW.renewal = 0 OR EXISTS (SELECT 1 FROM {_ACCEPTANCE} a WHERE a.person_id = NEW.person_id "
        "AND a.version_id = NEW.version_id AND a.renewal = NEW.renewal - 1 AND a.expires_at IS NOT NULL))",
        message="an acceptance names the bytes of its version, and renews one that runs out",
    ),
    *append_only(_REMINDER),
)
