"""How far the decision on a request has come, and what of it a person may see. Reads what was fetched with it."""

from __future__ import annotations

from domains.catalog.models import NEEDS, Dataset, Steward
from domains.people.models import User
from domains.people.permissions import Role
from domains.projects.models import Vote
from domains.requests.guards import is_separate
from domains.requests.lifecycle import Status
from domains.requests.models import AnalysisRequest, Review
from domains.requests.quorum import Standing, Terms, Voter, strictest

# What a list fetches so that the standing of each of its rows takes no query of its own.
RELATED = ("assigned_to",)
PREFETCHED = (
    "recusals",
    "revision__reviews",
    "grant__dataset__approval_rules",
    "grant__dataset__stewards__user__memberships",
)


def terms_in_force(dataset: Dataset) -> Terms:
    """Return what an approval on the dataset needs now; without a rule, one person's."""
    found = (rule for rule in dataset.approval_rules.all() if rule.activated_at and not rule.ended_at)
    return next((rule.terms for rule in found), Terms())


def terms_of(analysis: AnalysisRequest) -> Terms:
    """Return what this request needs: the strictest rule in force at any time since it was submitted (S4)."""
    since = analysis.submitted_at
    rules = [rule for rule in analysis.dataset.approval_rules.all() if rule.activated_at]
    during = [rule.terms for rule in rules if not rule.ended_at or since is None or rule.ended_at > since]
    return strictest(during, days=terms_in_force(analysis.dataset).days)


def panel(analysis: AnalysisRequest) -> dict[str, tuple[User, Role]]:
    """Return who may decide on a request now, each in the stronger of their roles, by key."""
    aside = {row.person_id for row in analysis.recusals.all()}
    found: dict[str, tuple[User, Role]] = {}
    for row in analysis.dataset.stewards.all():
        if not _counts(row) or row.user_id in aside or not is_separate(analysis, row.user):
            continue
        if row.user_id not in found or row.role == Role.DATASET_OWNER:
            found[row.user_id] = (row.user, Role(row.role))
    return found


def _counts(row: Steward) -> bool:
    held = {Role(each.role) for each in row.user.memberships.all() if each.ended_at is None}
    return row.ended_at is None and row.user.is_active and bool(held & NEEDS[Role(row.role)])


def votes_of(analysis: AnalysisRequest) -> list[Review]:
    """Return the votes of this round on the revision that stands."""
    if analysis.revision is None:
        return []
    return [vote for vote in analysis.revision.reviews.all() if vote.round == analysis.round]


def standing(analysis: AnalysisRequest) -> Standing:
    """Return how far the decision has come; votes keep the role and organisation that
    their person had, also after leaving or moving."""
    votes, aside = votes_of(analysis), {row.person_id for row in analysis.recusals.all()}
    approved = {
        Voter(vote.reviewer_id, vote.role == Role.DATASET_OWNER, vote.organisation_id or "")
        for vote in votes
        if vote.vote == Vote.APPROVE and vote.reviewer_id not in aside
    }
    voted = {vote.reviewer_id for vote in votes}
    still = {
        Voter(key, role == Role.DATASET_OWNER, person.organisation_id or "")
        for key, (person, role) in panel(analysis).items()
        if key not in voted
    }
    return Standing(terms_of(analysis), frozenset(approved), frozenset(still))


def fresh(analysis: AnalysisRequest) -> AnalysisRequest:
    """Read the request anew: what was fetched before its row was locked may be old."""
    return AnalysisRequest.objects.select_related("revision", "grant__dataset", "grant__project").get(
        pk=analysis.pk
    )


def visible_votes(analysis: AnalysisRequest, user: User | None) -> list[Review]:
    """Return the votes on the revision that stands which `user` may see.

    While it is in review, others' votes are hidden from everyone whose own is not among them: people judge for
    themselves first. Afterwards all are shown.
    """
    if analysis.revision is None:
        return []
    votes = list(analysis.revision.reviews.all())
    if sees_all(analysis, user):
        return votes
    return [vote for vote in votes if user is not None and vote.reviewer_id == user.pk]


def sees_all(analysis: AnalysisRequest, user: User | None) -> bool:
    """Answer whether nothing that others said is hidden: the decision has fallen, or `user` has voted."""
    return analysis.status != Status.IN_REVIEW or (user is not None and has_voted(analysis, user))


def has_voted(analysis: AnalysisRequest, user: User) -> bool:
    """Answer whether `user` has voted in this round."""
    return any(vote.reviewer_id == user.pk for vote in votes_of(analysis))


def is_aside(analysis: AnalysisRequest, user: User) -> bool:
    """Answer whether `user` stands aside from this request."""
    return any(row.person_id == user.pk for row in analysis.recusals.all())
