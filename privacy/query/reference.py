"""What the engine answers and what it refuses, as tables: the reference page is generated from here.

Every entry has an example over one small declared table, and a test runs each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from privacy.errors import QueryRejected
from privacy.loss import RHO_UNIT
from privacy.query.parse import parse
from privacy.query.price import price
from privacy.query.reference_figures import FIGURES
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit

EXAMPLE = Table(
    "visits",
    (
        Column("age", Kind.INTEGER, Decimal(0), Decimal(110), nullable=False),
        Column("score", Kind.INTEGER, Decimal(1), Decimal(4)),
        Column("cost", Kind.DECIMAL, Decimal(0), Decimal(200_000), Decimal("0.01")),
        Column("weight", Kind.DECIMAL),
        Column("sex", Kind.CATEGORY, codes=("female", "male"), nullable=False),
        Column("place", Kind.CATEGORY, codes=tuple(range(1, 1001))),
        Column("ward", Kind.CATEGORY, codes=tuple(range(1, 201))),
        Column("died", Kind.BOOLEAN),
        Column("diagnosis", Kind.TEXT),
        Column("admitted", Kind.DATE),
        Column(
            "discharged",
            Kind.DATE,
            Decimal(date(2020, 1, 1).toordinal()),
            Decimal(date(2023, 12, 31).toordinal()),
        ),
    ),
    PrivacyUnit("patient", max_groups=3, max_rows=4),
    max_units=100_000,
    others=(
        Table(
            "patients",
            (
                Column("born", Kind.INTEGER, Decimal(1900), Decimal(2024)),
                Column("region", Kind.CATEGORY, codes=("north", "south")),
                Column("sex", Kind.CATEGORY, codes=("female", "male")),
            ),
            PrivacyUnit("patient", max_groups=1, max_rows=1),
            max_units=100_000,
        ),
        Table(
            "drugs",
            (Column("dose", Kind.DECIMAL, Decimal(0), Decimal(10), Decimal("0.1")),),
            PrivacyUnit("patient", max_groups=100, max_rows=100),
            max_units=100_000,
        ),
        Table(
            "wards",
            (
                Column("id", Kind.INTEGER, Decimal(1), Decimal(200), nullable=False),
                Column("floor", Kind.INTEGER, Decimal(0), Decimal(9)),
                Column("type", Kind.CATEGORY, codes=("surgery", "medicine")),
            ),
            PrivacyUnit(None, 1, 1),
            max_units=200,
            is_public=True,
            key="id",
        ),
    ),
)
VAST = Table(
    "visits",
    (
        Column("volume", Kind.INTEGER, Decimal(0), Decimal(10**13)),
        Column("diagnosis", Kind.TEXT),
    ),
    PrivacyUnit(None, 1, 1),
    max_units=10**9,
)


@dataclass(frozen=True)
class Supported:
    """One thing the engine answers."""

    name: str
    words: str
    sql: str


@dataclass(frozen=True)
class Refused:
    """One public refusal code: its clause, its reason and what to do instead come from running the example."""

    code: str
    sql: str
    rho: int = RHO_UNIT // 100
    delta: int = 0
    pure: int = 0
    is_vast: bool = False

    def refusal(self) -> QueryRejected | None:
        """Return the refusal that the example meets, or None where it is answered after all."""
        table = VAST if self.is_vast else EXAMPLE
        try:
            price(parse(self.sql, table), table, rho=self.rho, delta=self.delta, pure=self.pure)
        except QueryRejected as refusal:
            return refusal
        return None


SUPPORTED = (
    *(Supported(*each) for each in FIGURES),
    Supported(
        "GROUP BY days, months, quarters, years",
        "of a date with declared bounds",
        "SELECT DATE_TRUNC('quarter', discharged) AS quarter, COUNT(*) FROM visits GROUP BY quarter",
    ),
    Supported(
        "JOIN private tables",
        "on the privacy unit, inner or left",
        "SELECT region, AVG(cost) FROM visits JOIN patients USING (patient) GROUP BY region",
    ),
    Supported(
        "JOIN a public table",
        "on its declared key, inner or left",
        "SELECT w.type, COUNT(*) FROM visits AS v LEFT JOIN wards AS w ON v.ward = w.id GROUP BY w.type",
    ),
    Supported(
        "sub-query in FROM",
        "rows, computed and chosen",
        "SELECT AVG(euros) FROM (SELECT cost / 100 AS euros FROM visits WHERE NOT died) AS v",
    ),
    Supported(
        "GROUP BY unit in a sub-query",
        "one row for each unit: COUNT, SUM, AVG, MIN, MAX, COUNT(DISTINCT)",
        "SELECT AVG(total) FROM (SELECT patient, SUM(cost) AS total FROM visits GROUP BY patient HAVING COUNT(*) > 1)",
    ),
    Supported(
        "GROUP BY unit, more in a sub-query",
        "one row for each unit and value",
        "SELECT ward, AVG(n) FROM (SELECT patient, ward, COUNT(*) AS n FROM visits GROUP BY patient, ward)"
        " GROUP BY ward",
    ),
    Supported(
        "DISTINCT with the unit",
        "each value once for each unit",
        "SELECT ward, COUNT(*) FROM (SELECT DISTINCT patient, ward FROM visits) GROUP BY ward",
    ),
    Supported(
        "WITH",
        "sub-queries by name",
        "WITH old AS (SELECT patient FROM patients WHERE born < 1960), sick AS (SELECT patient, MAX(score) AS worst"
        " FROM visits GROUP BY patient) SELECT worst, COUNT(*) FROM old JOIN sick USING (patient) GROUP BY worst",
    ),
    Supported(
        "GROUP BY text",
        "common names, for some δ",
        "SELECT diagnosis, COUNT(*) FROM visits GROUP BY diagnosis",
    ),
    Supported(
        "HAVING", "on noisy figures", "SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex HAVING n > 10"
    ),
    Supported(
        "ORDER BY, LIMIT",
        "on noisy figures",
        "SELECT score, AVG(age) AS a FROM visits GROUP BY score ORDER BY a LIMIT 2",
    ),
    Supported(
        "arithmetic on aggregates", "ratios", "SELECT 100 * COUNT_IF(died) / COUNT(*) AS share FROM visits"
    ),
    Supported(
        "+ - * /",
        "a divisor must be kept from 0 by its bounds",
        "SELECT SUM(cost / GREATEST(age, 1)) FROM visits",
    ),
    Supported("ABS FLOOR CEIL ROUND", "of a number", "SELECT SUM(ROUND(ABS(cost - 100))) FROM visits"),
    Supported(
        "SQRT LN POWER", "within their domain by bounds", "SELECT AVG(LN(GREATEST(cost, 1))) FROM visits"
    ),
    Supported(
        "GREATEST LEAST",
        "bound what has no bounds",
        "SELECT AVG(LEAST(GREATEST(weight, 0), 300)) FROM visits",
    ),
    Supported("COALESCE", "a value for unknown", "SELECT SUM(COALESCE(cost, 0)) FROM visits"),
    Supported(
        "CASE, IF", "choose a value", "SELECT SUM(CASE WHEN sex = 'male' THEN 1 ELSE 0 END) FROM visits"
    ),
    Supported("NULLIF", "unknown for one value", "SELECT AVG(NULLIF(cost, 0)) FROM visits"),
    Supported("CAST to a number", "true counts 1", "SELECT AVG(CAST(died AS INTEGER)) FROM visits"),
    Supported(
        "YEAR QUARTER MONTH DAY", "parts of a date", "SELECT COUNT(*) FROM visits WHERE YEAR(admitted) = 2020"
    ),
    Supported(
        "= <> < <= > >=", "like with like", "SELECT COUNT(*) FROM visits WHERE admitted >= DATE '2020-01-01'"
    ),
    Supported(
        "IN, BETWEEN", "lists and ranges of literals", "SELECT COUNT(*) FROM visits WHERE score IN (1, 2)"
    ),
    Supported("LIKE", "a literal pattern on text", "SELECT COUNT(*) FROM visits WHERE diagnosis LIKE 'C%'"),
    Supported("IS NULL", "missing values", "SELECT COUNT(*) FROM visits WHERE cost IS NOT NULL"),
)

REFUSED = (
    Refused("syntax", "SELECT FROM WHERE"),
    Refused("too_long", "SELECT COUNT(*) FROM visits WHERE age > 1" + " " * 10_000),
    Refused("too_deep", "SELECT COUNT(*) FROM visits WHERE " + "(" * 50 + "died" + ")" * 50),
    Refused("many_statements", "SELECT COUNT(*) FROM visits; SELECT COUNT(*) FROM visits"),
    Refused("not_select", "DELETE FROM visits"),
    Refused("unsupported_clause", "SELECT COUNT(*) FROM visits USING SAMPLE 10"),
    Refused("join_form", "SELECT COUNT(*) FROM visits FULL JOIN patients USING (patient)"),
    Refused("join_condition", "SELECT COUNT(*) FROM visits JOIN patients ON visits.sex = patients.sex"),
    Refused("join_too_wide", "SELECT COUNT(*) FROM visits JOIN drugs USING (patient)"),
    Refused("public_only", "SELECT COUNT(*) FROM wards"),
    Refused(
        "ambiguous_column", "SELECT COUNT(*) FROM visits JOIN patients USING (patient) WHERE sex = 'male'"
    ),
    Refused("recursive", "WITH RECURSIVE a AS (SELECT age FROM visits) SELECT COUNT(*) FROM a"),
    Refused("inner_clause", "SELECT COUNT(*) FROM (SELECT age FROM visits ORDER BY cost LIMIT 10)"),
    Refused("inner_group", "SELECT AVG(n) FROM (SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex)"),
    Refused(
        "inner_function",
        "SELECT AVG(m) FROM (SELECT patient, MEDIAN(age) AS m FROM visits GROUP BY patient)",
    ),
    Refused("inner_distinct", "SELECT COUNT(*) FROM (SELECT DISTINCT diagnosis FROM visits)"),
    Refused(
        "too_many_relations",
        "WITH a AS (SELECT patient FROM patients) SELECT COUNT(*) FROM a"
        + "".join(f" JOIN a AS a{i} ON a.patient = a{i}.patient" for i in range(21)),
    ),
    Refused("distinct", "SELECT DISTINCT sex FROM visits"),
    Refused("offset", "SELECT sex, COUNT(*) FROM visits GROUP BY sex OFFSET 1"),
    Refused("window", "SELECT SUM(age) OVER (ORDER BY age) FROM visits"),
    Refused("subquery", "SELECT COUNT(*) FROM visits WHERE age > (SELECT AVG(age) FROM visits)"),
    Refused("set_operation", "SELECT COUNT(*) FROM visits UNION ALL SELECT COUNT(*) FROM visits"),
    Refused("unknown_table", "SELECT COUNT(*) FROM people"),
    Refused("unknown_column", "SELECT SUM(salary) FROM visits"),
    Refused("unknown_function", "SELECT SUM(EXP(age)) FROM visits"),
    Refused("order_statistic", "SELECT MODE(age) FROM visits"),
    Refused("spread", "SELECT CORR(age, cost) FROM visits"),
    Refused("bad_quantile", "SELECT QUANTILE_CONT(age, 1.5) FROM visits"),
    Refused("aggregate_in_rows", "SELECT COUNT(*) FROM visits WHERE COUNT(*) > 3"),
    Refused("select_star", "SELECT * FROM visits"),
    Refused("no_aggregate", "SELECT sex FROM visits GROUP BY sex"),
    Refused("ungrouped_column", "SELECT sex, COUNT(*) FROM visits"),
    Refused("group_expression", "SELECT COUNT(*) FROM visits GROUP BY ROLLUP (sex)"),
    Refused("group_unbounded", "SELECT cost, COUNT(*) FROM visits GROUP BY cost"),
    Refused("bad_limit", "SELECT COUNT(*) FROM visits LIMIT 0"),
    Refused("count_distinct", "SELECT COUNT(DISTINCT diagnosis) FROM visits"),
    Refused("duplicate_name", "SELECT COUNT(*) AS n, SUM(age) AS n FROM visits"),
    Refused("bad_name", 'SELECT COUNT(*) AS "' + "n" * 200 + '" FROM visits'),
    Refused(
        "too_many_columns",
        "SELECT " + ", ".join(f"SUM(age + {i}) AS a{i}" for i in range(51)) + " FROM visits",
    ),
    Refused("too_many_cells", "SELECT COUNT(*) FROM visits GROUP BY place, ward"),
    Refused("type_mismatch", "SELECT COUNT(*) FROM visits WHERE age = 'old'"),
    Refused("undeclared_code", "SELECT COUNT(*) FROM visits WHERE sex = 'M'"),
    Refused("unbounded", "SELECT SUM(weight) FROM visits"),
    Refused("too_large", "SELECT SUM(cost * cost * cost) FROM visits"),
    Refused("may_divide_by_zero", "SELECT SUM(cost / age) FROM visits"),
    Refused("may_be_undefined", "SELECT SUM(LN(cost)) FROM visits"),
    Refused("overflow", "SELECT SUM(volume) FROM visits", is_vast=True),
    Refused("delta_needed", "SELECT diagnosis, COUNT(*) FROM visits GROUP BY diagnosis"),
    Refused("delta_too_small", "SELECT diagnosis, COUNT(*) FROM visits GROUP BY diagnosis", delta=1),
    Refused("delta_invalid", "SELECT COUNT(*) FROM visits", delta=-1),
    Refused(
        "too_many_keys",
        "SELECT diagnosis, COUNT(*) FROM visits GROUP BY diagnosis",
        delta=10**11,
        is_vast=True,
    ),
    Refused(
        "running_unknown_keys",
        "SELECT diagnosis, SUM(COUNT(*)) OVER (ORDER BY diagnosis) FROM visits GROUP BY diagnosis",
    ),
    Refused("two_currencies", "SELECT COUNT(*) FROM visits", pure=RHO_UNIT // 10),
    Refused(
        "pure_unknown_keys",
        "SELECT diagnosis, COUNT(*) FROM visits GROUP BY diagnosis",
        rho=0,
        pure=RHO_UNIT // 10,
    ),
    Refused("rho_not_positive", "SELECT COUNT(*) FROM visits", rho=0),
    Refused("rho_too_small", "SELECT COUNT(*), SUM(age) FROM visits", rho=1),
    Refused("rho_too_large", "SELECT COUNT(*) FROM visits", rho=RHO_UNIT * 10_000),
)

# Refused to programs rather than to people: each has its own test, as no SQL text leads to it.
INTERNAL_CODES = ("invalid_plan", "invalid_spec", "target_unreachable", "tick_invalid")
