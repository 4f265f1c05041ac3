"""What a dataset's access policy says of a request. Pure: values in, a verdict with reasons out."""

from __future__ import annotations

from dataclasses import dataclass

from privacy.loss import PURE_UNIT, RHO_UNIT, Loss, comparable_rho


@dataclass(frozen=True)
class Rules:
    """An activated access policy as a value; rho in ledger units."""

    policy_id: str
    number: int
    auto_rho: int
    auto_rho_per_month: int
    max_rho: int | None
    allows_unknown_keys: bool
    is_of_project: bool = False  # who proposed or activated it is or was on the project that asks (S1)

    @property
    def actor(self) -> str:
        """Name who acts in the audit log, such as "policy:01H…:v3"."""
        return f"policy:{self.policy_id}:v{self.number}"


@dataclass(frozen=True)
class Finding:
    """One rule's outcome: pass, warn or fail, in words."""

    rule: str
    outcome: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """What policy answers; `findings` say why, and on a Refer why automation did not fire."""

    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> list[str]:
        return [finding.text for finding in self.findings if finding.outcome != "pass"]


class Allow(Verdict):
    """Approved by the policy itself."""


class Refer(Verdict):
    """People decide."""


class Refuse(Verdict):
    """Not to be approved by anyone under this policy."""


def assess(loss: Loss, *, has_unknown_keys: bool, auto_rho_used: int, rules: Rules | None) -> Verdict:
    """Judge a priced request: deny overrides, and silence means that people decide.

    The rules compare ρ; a pure ε counts as the ρ that it implies, ε²/2. `auto_rho_used` is what automation
    approved on this grant within the last 30 days, counted alike, in ledger units.
    """
    if rules is None:
        return Refer((Finding("automation", "warn", "This dataset has no active policy, so people decide."),))
    findings = (
        *_compared(loss),
        _separate(rules),
        _most(loss, rules),
        _unknown_keys(has_unknown_keys, rules),
        _per_request(loss, rules),
        _per_month(loss, auto_rho_used, rules),
    )
    outcomes = {finding.outcome for finding in findings}
    if "fail" in outcomes:
        return Refuse(findings)
    return Refer(findings) if "warn" in outcomes else Allow(findings)


def _compared(loss: Loss) -> tuple[Finding, ...]:
    """Say how a pure loss is compared, where there is one."""
    if not loss.pure:
        return ()
    epsilon, rho = loss.pure / PURE_UNIT, comparable_rho(loss) / RHO_UNIT
    text = f"It is paid as a pure ε of {epsilon:.6g}; the rules compare it as ρ = ε²/2 = {rho:.6g}."
    return (Finding("comparable_rho", "pass", text),)


def _separate(rules: Rules) -> Finding:
    if rules.is_of_project:
        return Finding(
            "separation_of_duties", "warn", "Somebody on this project made the policy, so people decide."
        )
    return Finding("separation_of_duties", "pass", "Nobody on this project made the policy.")


def _most(loss: Loss, rules: Rules) -> Finding:
    if rules.max_rho is not None and comparable_rho(loss) > rules.max_rho:
        return Finding(
            "max_rho",
            "fail",
            "It costs more than this dataset's policy allows any request. Ask with a smaller ε.",
        )
    return Finding("max_rho", "pass", "Within the most that one request may cost.")


def _unknown_keys(has_unknown_keys: bool, rules: Rules) -> Finding:
    if has_unknown_keys and not rules.allows_unknown_keys:
        return Finding(
            "unknown_keys",
            "fail",
            "Grouping by values without a public code list is not allowed on this dataset.",
        )
    return Finding("unknown_keys", "pass", "Group keys are allowed.")


def _per_request(loss: Loss, rules: Rules) -> Finding:
    if comparable_rho(loss) > rules.auto_rho:
        return Finding("auto_rho", "warn", "It costs more than automation may approve, so people decide.")
    return Finding("auto_rho", "pass", "Within what automation may approve for one request.")


def _per_month(loss: Loss, used: int, rules: Rules) -> Finding:
    if used + comparable_rho(loss) > rules.auto_rho_per_month:
        return Finding(
            "auto_rho_per_month",
            "warn",
            "Automation has approved its share for this month, so people decide.",
        )
    return Finding("auto_rho_per_month", "pass", "Within what automation may approve in 30 days.")
