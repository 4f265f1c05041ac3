"""What the database itself promises about projects: votes stand, and nobody judges what they are on (S1)."""

from domains.triggers import append_only, check, kept, register

_VOTE = "projects_projectreview"
_VERSION, _SECTION = "projects_projectversion", "projects_sectionreview"
_MEMBER = "projects_projectmember"
# So that a vote and a joining at the same moment see each other; SQLite writes one at a time anyway.
_LOCK = "PERFORM 1 FROM projects_project WHERE id = NEW.project_id FOR UPDATE;"

register(
    *append_only("projects_formversion"),
    *append_only("projects_projectreminder"),
    *append_only(_VERSION),
    check(
        "project_version_not_backwards",
        _VERSION,
        on="INSERT",
        unless=(
            f"NEW.number > COALESCE((SELECT MAX(v.number) FROM {_VERSION} v "  # noqa: S608 - constants
            "WHERE v.project_id = NEW.project_id), 0)"
        ),
        message="versions of a project follow each other",
        before=_LOCK,
    ),
    *append_only(_SECTION),
    check(
        "section_review_not_by_member",
        _SECTION,
        on="INSERT",
        unless=(
            f"NOT EXISTS (SELECT 1 FROM {_VERSION} v JOIN projects_projectmember m "  # noqa: S608 - constants
            "ON m.project_id = v.project_id WHERE v.id = NEW.version_id AND m.user_id = NEW.reviewer_id) "
            f"AND NOT EXISTS (SELECT 1 FROM {_VERSION} v JOIN projects_project p "
            "ON p.id = v.project_id WHERE v.id = NEW.version_id AND p.created_by_id = NEW.reviewer_id)"
        ),
        message="a person on a project never reviews its sections",
    ),
    *append_only(_VOTE),
    *kept(_MEMBER),
    check(
        "project_review_not_by_member",
        _VOTE,
        on="INSERT",
        unless=(
            "NOT EXISTS (SELECT 1 FROM projects_projectmember m "
            "WHERE m.project_id = NEW.project_id AND m.user_id = NEW.reviewer_id) "
            "AND NOT EXISTS (SELECT 1 FROM projects_project p "
            "WHERE p.id = NEW.project_id AND p.created_by_id = NEW.reviewer_id)"
        ),
        message="a person on a project never votes on it",
        before=_LOCK,
    ),
    check(
        "grant_not_given_by_member",
        "projects_accessgrant",
        on="UPDATE",
        unless=(
            "NEW.granted_by_id IS NULL OR NOT EXISTS (SELECT 1 FROM projects_projectmember m "
            "WHERE m.project_id = NEW.project_id AND m.user_id = NEW.granted_by_id)"
        ),
        message="who is on a project never allocates its budget",
    ),
    check(
        "project_member_not_a_judge",
        _MEMBER,
        on="INSERT",
        unless=(
            "NOT EXISTS (SELECT 1 FROM projects_projectreview r "
            "WHERE r.project_id = NEW.project_id AND r.reviewer_id = NEW.user_id)"
        ),
        message="a person who voted on a project never joins it",
        before=_LOCK,
    ),
)
