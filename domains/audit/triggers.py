"""What the database itself refuses to do to the log."""

# ruff: noqa: S608 - every name in these statements is a constant of this file

from domains.triggers import append_only, check, guard, kept, register

EVENT, NODE, HEAD = "audit_auditevent", "audit_auditnode", "audit_audithead"

register(
    *append_only(EVENT),
    *append_only(NODE),
    *kept(HEAD),
    check(
        f"{EVENT}_in_order",
        EVENT,
        on="INSERT",
        unless=f'NEW."index" = (SELECT size FROM {HEAD} WHERE id = 1)',
        message="an audit event takes the next index",
    ),
    check(
        f"{HEAD}_only_grows",
        HEAD,
        on="UPDATE",
        unless=f"""
            (NEW.size = OLD.size + 1 AND NEW.witnessed = OLD.witnessed
                AND EXISTS (SELECT 1 FROM {EVENT} WHERE "index" = OLD.size))
            OR (NEW.size = OLD.size AND NEW.root = OLD.root AND NEW.frontier = OLD.frontier
                AND NEW.witnessed > OLD.witnessed AND NEW.witnessed <= NEW.size)
        """,
        message="the audit head only grows, by one event at a time",
    ),
    guard(
        f"{HEAD}_starts_empty",
        HEAD,
        on="INSERT",
        when="NEW.size <> 0 OR NEW.witnessed <> 0",
        message="an audit head starts empty",
    ),
)
