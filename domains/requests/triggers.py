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
_NOT_OF_THE_PROJECT = (
    "NOT EXISTS (SELECT 1 FROM requests_revision v JOIN requests_analysisrequest a ON a.id = v.analysis_id "
    "JOIN projects_accessgrant g ON g.id = a.grant_id JOIN projects_projectmember m ON m.project_id = g.project_id "
    "WHERE v.id = NEW.revision_id AND m.user_id = NEW.reviewer_id)"
)
# S1 and S3: whoever lets an answer out is not of its project, and did not approve what ran.
_LET_OUT_BY_ANOTHER = (
    "NEW.released_by_id IS NULL OR (NOT EXISTS (SELECT 1 FROM requests_analysisrequest a "
    "JOIN projects_accessgrant g ON g.id = a.grant_id JOIN projects_projectmember m ON m.project_id = g.project_id "
    "WHERE a.id = NEW.analysis_id AND m.user_id = NEW.released_by_id) "
    "AND NOT EXISTS (SELECT 1 FROM requests_analysisrequest a JOIN requests_review r "
    "ON r.revision_id = a.revision_id AND r.round = a.round "
    "WHERE a.id = NEW.analysis_id AND r.vote = 'approve' AND r.reviewer_id = NEW.released_by_id))"
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
            "requests_review_not_by_a_member",
            "requests_review",
            on="INSERT",
            unless=_NOT_OF_THE_PROJECT,
            message="a person on a project never votes on its requests",
        ),
        needs=(
            "requests_revision",
            "requests_analysisrequest",
            "projects_accessgrant",
            "projects_projectmember",
        ),
    ),
    replace(
        check(
            "requests_release_let_out_by_another",
            "requests_release",
            on="UPDATE",
            unless=_LET_OUT_BY_ANOTHER,
            message="who is on the project or approved what ran never lets its answer out",
        ),
        needs=(
            "requests_analysisrequest",
            "requests_review",
            "projects_accessgrant",
            "projects_projectmember",
        ),
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
