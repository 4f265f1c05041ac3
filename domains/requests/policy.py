"""What a dataset's access policy says of a request. Pure: values in, a verdict with reasons out.

Deny overrides, and silence means that people decide. What a rule may ask is closed: see `catalog.conditions`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domains.catalog import conditions
from domains.catalog.conditions import Condition
from domains.catalog.policy import Document, Rule, Then
from privacy.loss import PURE_UNIT, RHO_UNIT, Loss, comparable_rho

DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Earlier:
    """One request that automation approved before: how long ago in seconds, its ρ, and on whose account it counts."""

    seconds: float
    rho: int
    is_of_grant: bool
    is_of_person: bool


@dataclass(frozen=True)
class Facts:
    """All that a policy may know of a request: the question, its price, the hour, and what automation did before.

    Nothing here is computed from private rows. `weekday` counts from Monday, `minute` from midnight, both by the
    node's clock.
    """

    kind: str
    mechanisms: frozenset[str]
    aggregates: frozenset[str]
    columns: frozenset[str]
    purposes: frozenset[str]  # codes that the project's application names
    loss: Loss
    is_proven: bool  # the engine proves every figure of the answer differentially private
    weekday: int
    minute: int
    version_days: int
    earlier: tuple[Earlier, ...] = ()

    @property
    def rho(self) -> int:
        """The loss as ρ, in ledger units: a pure ε counts as what it implies."""
        return comparable_rho(self.loss)

    @property
    def has_unknown_keys(self) -> bool:
        return self.loss.delta > 0

    def before(self, condition: Condition) -> list[int]:
        """Return the ρ of each earlier automatic approval that a condition counts."""
        seconds = conditions.DAYS_WITHIN[condition["within"]] * DAY
        is_grant = condition["per"] == "grant"
        return [
            one.rho
            for one in self.earlier
            if one.seconds < seconds and (one.is_of_grant if is_grant else one.is_of_person)
        ]


@dataclass(frozen=True)
class Policy:
    """An access policy in force, or tried, as a value; `delta` converts ρ to the ε that people read."""

    policy_id: str
    number: int
    document: Document
    sha256: str
    delta: float
    is_of_project: bool = False  # who proposed or activated it is or was on the project that asks (S1)

    @property
    def actor(self) -> str:
        """Name who acts in the audit log, such as "policy:01H…:v3"."""
        return f"policy:{self.policy_id}:v{self.number}"


@dataclass(frozen=True)
class Finding:
    """One rule's outcome: pass, warn or fail, in words; `version` is the policy's."""

    rule: str
    outcome: str
    text: str
    version: int | None = None

    def to_dict(self) -> dict[str, str | int | None]:
        """Return the finding as JSON values."""
        return {"rule": self.rule, "outcome": self.outcome, "text": self.text, "version": self.version}


@dataclass(frozen=True)
class Verdict:
    """What policy answers; `findings` say why, and on a Refer why automation did not fire."""

    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> list[str]:
        return [finding.text for finding in self.findings if finding.outcome != "pass"]

    @property
    def rules(self) -> list[str]:
        """The rules that made it so."""
        return [finding.rule for finding in self.findings if finding.outcome != "pass"]

    @property
    def answer(self) -> str:
        """In one word: allow, refer or refuse."""
        return type(self).__name__.lower()


class Allow(Verdict):
    """Approved by the policy itself."""


class Refer(Verdict):
    """People decide."""


class Refuse(Verdict):
    """Not to be approved by anyone under this policy."""


def assess(facts: Facts, policy: Policy | None) -> Verdict:
    """Judge a priced request rule by rule; without a policy people decide."""
    if policy is None:
        return Refer((Finding("automation", "warn", "This dataset has no active policy, so people decide."),))
    rules = policy.document.rules
    holding = [_holds(rule, facts) for rule in rules]
    is_allowed = any(holds and rule.then == Then.ALLOW for rule, holds in zip(rules, holding, strict=True))
    found = [
        *_compared(facts.loss),
        _separate(policy),
        _proven(facts),
        *(_finding(place, rule, facts, policy, is_allowed=is_allowed) for place, rule in enumerate(rules, 1)),
    ]
    if not policy.document.automates:
        found.append(
            Finding("default", "warn", "This policy approves nothing automatically, so people decide.")
        )
    findings = tuple(Finding(one.rule, one.outcome, one.text, policy.number) for one in found)
    outcomes = {finding.outcome for finding in findings}
    if "fail" in outcomes:
        return Refuse(findings)
    return Refer(findings) if "warn" in outcomes else Allow(findings)


def _holds(rule: Rule, facts: Facts) -> bool:
    return all(_TESTS[one["is"]](one, facts) for one in rule.when)


def _finding(place: int, rule: Rule, facts: Facts, policy: Policy, *, is_allowed: bool) -> Finding:
    """Say what one rule makes of the request; a rule that allows and does not hold says what is missing."""
    unmet = [one for one in rule.when if not _TESTS[one["is"]](one, facts)]
    name = f"“{rule.title}”: " if rule.title else ""
    code = f"rule_{place}"
    if unmet:
        missing = "; ".join(_missing(one, facts, policy.delta) for one in unmet)
        if rule.then == Then.ALLOW and not is_allowed:
            text = f"{name}it would be approved automatically, but it does not hold that {missing}."
            return Finding(code, "warn", text)
        return Finding(code, "pass", f"{name}does not apply: it does not hold that {missing}.")
    because = (
        " and ".join(conditions.in_words(one, policy.delta) for one in rule.when)
        or "this is for every request"
    )
    if rule.then == Then.ALLOW:
        return Finding(code, "pass", f"{name}it may be approved automatically: {because}.")
    if rule.then == Then.REFER:
        return Finding(code, "warn", f"{name}people decide: {because}.")
    return Finding(code, "fail", f"{name}nobody may approve it here: {because}.")


def _missing(condition: Condition, facts: Facts, delta: float) -> str:
    """Say a condition that does not hold, with how it is instead."""
    asked = conditions.in_words(condition, delta)
    actual = _ACTUAL[condition["is"]](condition, facts, delta) if condition["is"] in _ACTUAL else ""
    return f"{asked} ({actual})" if actual else asked


def _compared(loss: Loss) -> tuple[Finding, ...]:
    """Say how a pure loss is compared, where there is one."""
    if not loss.pure:
        return ()
    epsilon, rho = loss.pure / PURE_UNIT, comparable_rho(loss) / RHO_UNIT
    text = f"It is paid as a pure ε of {epsilon:.6g}; the rules compare it as ρ = ε²/2 = {rho:.6g}."
    return (Finding("comparable_rho", "pass", text),)


def _separate(policy: Policy) -> Finding:
    if policy.is_of_project:
        return Finding(
            "separation_of_duties", "warn", "Somebody on this project made the policy, so people decide."
        )
    return Finding("separation_of_duties", "pass", "Nobody on this project made the policy.")


def _proven(facts: Facts) -> Finding:
    """Let automation touch only what the engine proves, whatever the rules say."""
    if facts.is_proven:
        return Finding("proven", "pass", "The engine proves the whole answer differentially private.")
    return Finding("proven", "warn", "The engine does not prove every figure private, so people decide.")


def _amount(condition: Condition, value: int, limit: int) -> bool:
    return value <= limit if condition["test"] == "at_most" else value > limit


def _names(condition: Condition, used: frozenset[str]) -> bool:
    asked = frozenset(condition["of"])
    return used <= asked if condition["test"] == "only" else bool(used & asked)


def _time(condition: Condition, facts: Facts) -> bool:
    """Say whether it is within the hours; those that reach over midnight belong to the day on which they begin."""
    begin, end = conditions.minutes(condition["from"]), conditions.minutes(condition["to"])
    today = conditions.WEEKDAYS[facts.weekday] in condition["days"]
    if begin < end:
        inside = today and begin <= facts.minute < end
    else:
        yesterday = conditions.WEEKDAYS[facts.weekday - 1] in condition["days"]
        inside = (today and facts.minute >= begin) or (yesterday and facts.minute < end)
    return inside == (condition["test"] == "inside")


_TESTS: dict[str, Callable[[Condition, Facts], bool]] = {
    "loss": lambda one, facts: _amount(one, facts.rho, one["rho"]),
    "automatic_loss": lambda one, facts: _amount(one, sum(facts.before(one)) + facts.rho, one["rho"]),
    "automatic_approvals": lambda one, facts: _amount(one, len(facts.before(one)), one["number"]),
    "kind": lambda one, facts: facts.kind == one["test"],
    "aggregates": lambda one, facts: _names(one, facts.aggregates),
    "mechanisms": lambda one, facts: _names(one, facts.mechanisms),
    "columns": lambda one, facts: _names(one, facts.columns),
    "purposes": lambda one, facts: bool(facts.purposes) and _names(one, facts.purposes),
    "unknown_keys": lambda one, facts: facts.has_unknown_keys == (one["test"] == "yes"),
    "time": _time,
    "version_age": lambda one, facts: _amount(one, facts.version_days, one["days"]),
}
_CLOCK = "it is {day} {hour:02d}:{minute:02d}"
_ACTUAL: dict[str, Callable[[Condition, Facts, float], str]] = {
    "loss": lambda _, facts, delta: f"it costs {conditions.amount(facts.rho, delta)}",
    "automatic_loss": lambda one, facts, delta: (
        f"with it, it would be {conditions.amount(sum(facts.before(one)) + facts.rho, delta)}"
    ),
    "automatic_approvals": lambda one, facts, _: f"there were {len(facts.before(one))}",
    "kind": lambda _, facts, __: f"it is a {facts.kind}",
    "aggregates": lambda _, facts, __: f"it computes {_list(facts.aggregates)}",
    "mechanisms": lambda _, facts, __: f"it uses {_list(facts.mechanisms)}",
    "columns": lambda _, facts, __: f"it reads {_list(facts.columns)}",
    "purposes": lambda _, facts, __: f"its project is for {_list(facts.purposes)}",
    "time": lambda _, facts, __: _CLOCK.format(
        day=conditions.WEEKDAYS[facts.weekday].capitalize(), hour=facts.minute // 60, minute=facts.minute % 60
    ),
    "version_age": lambda _, facts, __: f"it is {facts.version_days} days old",
}


def _list(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
