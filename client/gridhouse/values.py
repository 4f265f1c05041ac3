"""Small frozen values that the node answers with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Status:
    """Where a request stands: a stable code, a label, a sentence for why, and whether it can still change."""

    code: str
    label: str
    why: str
    is_final: bool

    @classmethod
    def of(cls, data: Json) -> Status:
        """Read the node's progress."""
        return cls(str(data["code"]), str(data["label"]), str(data["why"]), bool(data["is_final"]))


@dataclass(frozen=True)
class Estimate:
    """What a question would cost and how exact it would be; nothing was stored.

    `rho`, `delta` and `pure` (a pure ε) are plain numbers; `accounting` says which of ρ and pure ε it is paid in;
    `loss` holds the ledger's integers. `measures` lists each figure of the answer with its ± at 95 % (None where
    that depends on the size of the data), its ± in groups of as many rows as you supposed, and a note.
    `mechanisms` says how each is made private, `effects` what it would do to each budget, `verdict` what policy
    would answer: allow, refer or refuse.
    """

    rho: float
    delta: float
    pure: float
    accounting: str
    epsilon: Decimal
    fits: bool
    similar_left: int
    is_repeat: bool
    covered_by: list[str]
    verdict: str
    usable: bool
    measures: list[Json]
    effects: list[Json]
    rules: list[Json]
    checks: list[Json]
    mechanisms: list[Json]
    in_words: list[str]
    columns: list[str]
    loss: Json = field(repr=False)

    @classmethod
    def of(cls, data: Json) -> Estimate:
        """Read the node's estimate."""
        loss = data["loss"]
        names = ("fits", "similar_left", "is_repeat", "covered_by", "verdict", "usable")
        lists = ("measures", "effects", "rules", "checks", "mechanisms", "in_words", "columns")
        return cls(
            rho=float(loss["rho"]),
            delta=float(loss["delta"]),
            pure=float(loss["pure"]),
            accounting=str(data["accounting"]),
            epsilon=Decimal(str(data["epsilon"])),
            loss=loss,
            **{name: data[name] for name in (*names, *lists)},
        )

    def __str__(self) -> str:
        cost = f"pure ε = {self.pure:.6f}" if self.accounting == "pure" else f"ρ = {self.rho:.6f}"
        lines = [f"cost {cost}, asked at ε = {self.epsilon}; {self.similar_left} such questions left"]
        for measure in self.measures:
            known = measure["plus_minus_95"] or measure["expected_95"]
            error = f"± {known}" if known else measure["note"]
            lines.append(f"{measure['name']}: {error}")
        return "\n".join(lines)


def epsilon_text(value: float | str | Decimal) -> str:
    """Return ε as the node reads it, a plain decimal: 0.1 stays 0.1, 1e-05 is 0.00001."""
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")
    return str(value)
