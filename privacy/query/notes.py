"""What a reader of an answer must know beside its figures; all of it follows from public inputs."""

from __future__ import annotations

from privacy.query.layout import Layout
from privacy.query.needs import Way
from privacy.query.price import Pricing

_DELTA = frozenset({"mean", "variance", "stddev", "formula"})


def notes(facts: Layout, pricing: Pricing) -> tuple[str, ...]:
    """Return the sentences that go with an answer."""
    found = []
    if any(output.kind != "key" for output in pricing.outputs):
        found += [
            "± holds with 95 % confidence and covers the added noise only: not the clamping of values to their"
            " declared bounds, nor rows left out because one privacy unit had too many.",
            "Noise can make a count negative; that is left as it is, so that figures stay unbiased.",
        ]
    kinds = {output.kind for output in pricing.outputs}
    if kinds & _DELTA:
        found.append(
            "± of means, spreads and formulas is an estimate made from the noisy figures (delta method)."
        )
    if "quantile" in kinds:
        found.append(
            "± of quantiles, MIN and MAX is in percentile points: how far the value shown lies from the wanted"
            " rank. A formula made of them has no stated error."
        )
    if any(need.way is Way.TOP for need in facts.needs):
        found.append(
            "The groups shown were chosen with noise, as the largest; their order may be off as well."
        )
    for measure in pricing.measures:
        if measure.rank is not None:
            end = "smallest" if "smallest" in measure.note else "largest"
            found.append(f"The value shown as {end} lies at about place {measure.rank} from that end.")
        if measure.threshold is not None:
            found.append(f"Groups whose noisy count of units is below {measure.threshold} are not shown.")
    return tuple(found)
