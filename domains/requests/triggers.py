"""What the database itself promises about requests: revisions, votes and comments stand as they were written."""

from dataclasses import replace

from domains.triggers import append_only, check, guard, kept, register

_TERMS = (
    "dataset_id",
    "number",
    "people",
    "organisations",
    "has_owner",
    "has_reviewer",
    "days",
    "is_looser",
    "proposed_by_id",
)
_CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in _TERMS)
_SEPARATE = (
    "NOT EXISTS (SELECT 1 FROM requests_revision v JOIN requests_analysisrequest a ON a.id = v.analysis_id "
    "WHERE v.id = NEW.revision_id AND a.author_id = NEW.reviewer_id)"
)
_NOT_ASIDE = (
    "NOT EXISTS (SELECT 1 FROM requests_revision v JOIN requests_recusal r ON r.analysis_id = v.analysis_id "
    "WHERE v.id = NEW.revision_id AND r.person_id = NEW.reviewer_id)"
)
_OF_ITS_VOTER = (
    "EXISTS (SELECT 1 FROM people_user p WHERE p.id = NEW.reviewer_id "
    "AND p.organisation_id IS NOT DISTINCT FROM NEW.organisation_id)"
)

register(
    *append_only("requests_revision"),
    *append_only("requests_review"),
    *append_only("requests_comment"),
    *append_only("requests_recusal"),
    *append_only("requests_download"),
    *kept("requests_approvalrule"),
    guard(
        "requests_approvalrule_terms_are_fixed",
        "requests_approvalrule",
        on="UPDATE",
        when=f"{_CHANGED} OR OLD.ended_at IS NOT NULL",
        message="an approval rule never changes: propose the next version",
    ),
    replace(
        check(
            "requests_review_not_by_its_author",
            "requests_review",
            on="INSERT",
            unless=_SEPARATE,
            message="nobody votes on their own request",
        ),
        needs=("requests_revision", "requests_analysisrequest"),
    ),
    replace(
        check(
            "requests_review_not_by_who_stood_aside",
            "requests_review",
            on="INSERT",
            unless=_NOT_ASIDE,
            message="who stood aside does not vote",
        ),
        needs=("requests_revision", "requests_recusal"),
    ),
    replace(
        check(
            "requests_review_organisation_is_its_voters",
            "requests_review",
            on="INSERT",
            unless=_OF_ITS_VOTER,
            message="a vote counts for the organisation that its voter belongs to",
        ),
        needs=("people_user",),
    ),
)
