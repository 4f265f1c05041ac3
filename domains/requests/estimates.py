"""What a question would cost and how exact it would be, before anything is stored: the composer's live panel."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from domains.ledger import queries as books
from domains.ledger.queries import Effect
from domains.people.models import User
from domains.people.permissions import Permission, require
from domains.projects.models import AccessGrant
from domains.projects.rights import Usable, grant_usable
from domains.requests.modelled import covering
from domains.requests.models import AnalysisRequest, Revision
from domains.requests.policy import Policy, Verdict
from domains.requests.releases import repeatable
from domains.requests.specification import Specification, specify_for, specify_revision
from domains.requests.verdicts import verdict_for


@dataclass(frozen=True)
class Estimate:
    """A priced question with its effect on each budget; public values only."""

    specification: Specification
    effects: tuple[Effect, ...]
    policy: Policy | None  # in force now
    verdict: Verdict
    usable: Usable
    is_repeat: bool
    covered_by: tuple[AnalysisRequest, ...]
    in_words: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return self.is_repeat or all(effect.fits for effect in self.effects)

    @property
    def similar_left(self) -> int:
        """How many questions of the same cost the tightest budget still holds, this one included."""
        chain = [effect.balance for effect in self.effects]
        return books.similar_left(chain, self.specification.loss) if chain else 0


def estimate(grant: AccessGrant, *, sql: str, epsilon: str, accounting: str = "zcdp", by: User) -> Estimate:
    """Price a question for its author without storing it; raise QueryRejected or InvalidInput."""
    require(by, Permission.REQUEST_CREATE, on=grant)
    specification = specify_for(grant, by, sql=sql, epsilon=epsilon, accounting=accounting)
    return _of(grant, specification, by)


def estimate_revision(revision: Revision, *, by: User) -> Estimate:
    """Price a stored revision for those who may read its request; the decision page shows it."""
    analysis = revision.analysis
    require(by, Permission.REQUEST_READ, on=analysis)
    return _of(analysis.grant, specify_revision(revision), analysis.author, besides=analysis.pk)


def _of(grant: AccessGrant, specification: Specification, author: User, besides: str = "") -> Estimate:
    policy, verdict = verdict_for(grant, specification, besides=besides)
    return Estimate(
        specification=specification,
        effects=tuple(books.effect(grant, author, specification.loss)),
        policy=policy,
        verdict=verdict,
        usable=grant_usable(grant, author, timezone.now()),
        covered_by=covering(specification),
        is_repeat=repeatable(specification.repeat_key()) is not None,
        in_words=specification.in_words,
        columns=specification.columns,
    )
