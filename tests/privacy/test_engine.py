"""The engine end to end: exact integers, hostile rows, hostile text, one readable file, honest figures."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from privacy.engines.duck import lockdown
from privacy.errors import EngineFault, LossExceeded, PrivacyError, QueryRejected
from privacy.query.answer import Answer
from privacy.query.execute import prepare
from privacy.query.parse import parse
from privacy.query.plan import Expr
from privacy.query.price import price
from privacy.query.rows_sql import RowSql
from privacy.quoting import text_sql
from privacy.schema import Column, Kind, Table
from privacy.unit import PrivacyUnit
from tests.privacy.engine_data import COLUMNS, NOTES, Bench, Row, people, random_rows, rows_as_units, write
from tests.privacy.plans import random_query

SUPPORT2 = Path(__file__).parents[2] / "portal" / "demo" / "support2" / "support2.csv.gz"
NOBODY = (None,) * 8


def row(who: int | None = 1, **values: object) -> Row:
    """Return one row with everything else missing."""
    fields = (
        dict(zip(("who", "x", "k", "g", "h", "num", "note", "day"), NOBODY, strict=True))
        | {"who": who}
        | values
    )
    return tuple(fields.values())


class Silence:
    """No noise at all, so that everything around it can be checked to the last digit."""

    def release(self, values: object) -> object:
        """Return counts that reach 30, or a vector as it is."""
        if isinstance(values, dict):
            return {key: count for key, count in values.items() if count >= 30}
        return list(values)  # type: ignore[call-overload]

    def certificate(self) -> str:
        """Return nothing."""
        return ""


class Best:
    """A choice without noise: the best scores, the first of equals."""

    def __init__(self, most: int) -> None:
        self.most = most

    def release(self, scores: list[int]) -> list[int]:
        """Return the places of the best scores."""
        return sorted(range(len(scores)), key=lambda place: -scores[place])[: self.most]

    def certificate(self) -> str:
        """Return nothing."""
        return ""


def answer(bench: Bench, sql: str, path: str) -> Answer:
    """Return what the engine would answer if its noise were always 0."""
    ready = bench.prepared(sql, delta=10**17)
    drawn = ready.mechanisms
    quiet = replace(
        drawn,
        vectors=dict.fromkeys(drawn.vectors, Silence()),  # type: ignore[arg-type]
        choices={index: Best(choice.most) for index, choice in drawn.choices.items()},  # type: ignore[misc]
        selector=None if drawn.selector is None else Silence(),  # type: ignore[arg-type]
    )
    return replace(ready, mechanisms=quiet).run(path, 5)


def test_figures_are_what_sql_says(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.parquet", [row(i, x=float(i), g="a" if i % 2 else "b", h=i > 4) for i in range(10)]
    )
    got = answer(
        rows_as_units(),
        "SELECT g, COUNT(*) AS n, SUM(x) AS s, AVG(x) AS m, COUNT_IF(h) AS h, SUM(x) / COUNT(*) AS r FROM t GROUP BY g",
        path,
    ).records()
    assert [tuple(record.values()) for record in got] == [
        ("a", 5, 25, 5, 3, 5),
        ("b", 5, 20, 4, 2, 4),
        ("c", 0, 0, 20, 0, None),
        (None, 0, 0, 20, 0, None),
    ]


def test_every_declared_code_is_shown_and_others_count_as_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [row(g="zzz", num=7, h=None), row(g="a", num=5, h=True)])
    got = answer(
        rows_as_units(), 'SELECT g, "num.co", h, COUNT(*) AS n FROM t GROUP BY 1, 2, 3', path
    ).records()
    assert len(got) == 4 * 4 * 3
    shown = {tuple(record.values())[:3] for record in got if record["n"] == 1}
    assert shown == {(None, None, None), ("a", 5, True)}


def test_values_are_held_to_their_declaration(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.parquet",
        [row(x=value) for value in (None, math.nan, math.inf, -math.inf, 1e308, -1e308, 0.74, 0.76)],
    )
    got = answer(
        rows_as_units(), "SELECT COUNT(x) AS n, SUM(x) AS s, COUNT_IF(x > 49) AS top FROM t", path
    ).records()
    assert got == [{"n": 4, "s": Decimal(50 - 10) + Decimal("0.5") + Decimal(1), "top": 1}]


def test_missing_markers_count_as_missing_in_every_kind_of_column(tmp_path: Path) -> None:
    marked = Table(
        "t",
        (
            Column("x", Kind.DECIMAL, Decimal(-10), Decimal(50), missing=("-9", "n/a", "inf")),
            Column("k", Kind.INTEGER, Decimal(0), Decimal(9), missing=("9",)),
            Column("g", Kind.CATEGORY, codes=("a", "b"), missing=("b",)),
            Column("h", Kind.BOOLEAN, missing=("false",)),
            Column("num.co", Kind.CATEGORY, codes=(1, 2, 5), missing=("5",)),
            Column("day", Kind.DATE, missing=("2020-02-29",)),
        ),
        PrivacyUnit(None, 1, 1),
        100,
    )
    path = write(
        tmp_path / "t.parquet",
        [
            row(x=-9.0, k=9, g="b", h=False, num=5, day="2020-02-29"),
            row(x=7.0, k=8, g="a", h=True, num=2, day="2020-11-30"),
            row(x=7.0, k=8, g="a", h=True, num=7, day="infinity"),
        ],
    )
    bench = Bench(marked)
    counts = ", ".join(f'COUNT("{name}")' for name in ("x", "k", "g", "h", "num.co", "day"))
    parts = (
        'SUM("num.co"), SUM(EXTRACT(month FROM day)), SUM(QUARTER(day)), SUM(DAY(day)), SUM(DAYOFWEEK(day))'
    )
    got = answer(bench, f"SELECT {counts}, {parts} FROM t", path).records()[0]
    assert list(got.values()) == [2, 2, 2, 2, 1, 1, 2, 11, 4, 30, 1]
    groups = answer(bench, "SELECT k, COUNT(*) AS n FROM t GROUP BY k HAVING n > 0", path).records()
    assert groups == [{"k": 8, "n": 2}, {"k": None, "n": 1}]


def test_a_missing_unit_is_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [row(None), row(None), row(3)])
    assert answer(people(), "SELECT COUNT(*) AS n, COUNT(DISTINCT who) AS u FROM t", path).records() == [
        {"n": 1, "u": 1}
    ]


def test_a_unit_marked_missing_is_dropped(tmp_path: Path) -> None:
    who = Column("who", Kind.INTEGER, Decimal(0), Decimal(99), missing=("99",))
    bench = Bench(Table("t", (*COLUMNS, who), PrivacyUnit("who", 2, 2), 100))
    path = write(tmp_path / "t.parquet", [row(99), row(99), row(3)])
    assert answer(bench, "SELECT COUNT(DISTINCT who) AS u FROM t", path).records() == [{"u": 1}]


@pytest.mark.parametrize(
    "sql", ["SELECT COUNT(*) AS n FROM t", "SELECT COUNT(*) AS n, COUNT(DISTINCT who) AS u FROM t"]
)
def test_contributions_are_bounded(tmp_path: Path, sql: str) -> None:
    path = write(tmp_path / "t.parquet", [row(1) for _ in range(9)] + [row(2)])
    assert answer(people(max_rows=3), sql, path).records()[0]["n"] == 4


def test_groups_of_a_unit_are_bounded(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [row(1, k=i) for i in range(10)])
    got = answer(
        people(max_groups=2, max_rows=2), "SELECT k, COUNT(*) AS n FROM t GROUP BY k", path
    ).records()
    assert sum(int(str(record["n"])) for record in got) == 2


def test_which_rows_are_kept_follows_the_salt(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [row(1, x=float(i)) for i in range(40)])
    ready = people(max_rows=2).prepared("SELECT SUM(x) AS s FROM t")
    assert len({ready.exact(path, salt)[0] for salt in range(8)}) > 3
    assert ready.exact(path, 5) == ready.exact(path, 5)


def test_unknown_names_come_back_as_they_are(tmp_path: Path) -> None:
    names = [note for note in NOTES if note not in (None, "NA") and len(note) < 256]
    path = write(tmp_path / "t.parquet", [row(i, note=note, h=True) for note in NOTES for i in range(40)])
    bench = rows_as_units()
    one = answer(bench, "SELECT note, COUNT(*) AS n FROM t GROUP BY note", path).records()
    assert {record["note"]: record["n"] for record in one} == {**dict.fromkeys(names, 40), None: 120}
    two = answer(
        bench, "SELECT h, note, AVG(x) AS m, COUNT(*) AS n FROM t GROUP BY h, note ORDER BY note", path
    )
    assert [record["note"] for record in two.records()] == [*sorted(names), None]
    assert "are not shown" in " ".join(two.notes)


def test_rare_unknown_names_are_not_shown(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.parquet", [row(i, note="common") for i in range(300)] + [row(900, note="rare")]
    )
    ready = people(2, 2).prepared(
        "SELECT note, COUNT(DISTINCT who) AS n, SUM(x) AS s FROM t GROUP BY note", rho=10**10
    )
    assert [record["note"] for record in ready.run(path, 1).records()] == ["common"]
    assert ready.run(write(tmp_path / "empty.parquet", []), 1).rows == ()


def test_post_processing_works_on_the_figures(tmp_path: Path) -> None:
    rows = [row(i, k=i % 4, g="ab"[i % 2]) for i in range(20)] + [row(99, k=1, g="a")]
    path = write(tmp_path / "t.parquet", rows)
    bench = rows_as_units()
    sql = "SELECT k, COUNT(*) AS n, 2 * COUNT(*) - 1 AS twice, -COUNT(*) AS less FROM t GROUP BY k"
    top = answer(
        bench, sql + " HAVING n >= 5 AND NOT (k IN (0, 3)) OR k IS NULL ORDER BY n DESC, k LIMIT 2", path
    )
    assert [tuple(record.values()) for record in top.records()] == [(1, 6, 11, -6), (2, 5, 9, -5)]
    byte = answer(
        bench, "SELECT g, COUNT(*) AS n FROM t GROUP BY g HAVING g = 'a' OR g = 'b' ORDER BY g DESC", path
    )
    assert [record["g"] for record in byte.records()] == ["b", "a"]
    unknown = answer(
        bench, "SELECT g, SUM(k) / COUNT(*) AS r FROM t GROUP BY g ORDER BY r DESC", path
    ).records()
    assert [record["r"] is None for record in unknown] == [False, False, True, True]
    none = answer(
        bench, "SELECT h, COUNT(*) AS n FROM t GROUP BY h HAVING SUM(k) / (COUNT(*) - COUNT(*)) > 1", path
    )
    assert none.rows == ()
    flag = answer(bench, "SELECT h, COUNT(*) AS n FROM t GROUP BY h HAVING h = TRUE AND n < 9", path)
    assert [record["h"] for record in flag.records()] == [True]
    odd = answer(bench, "SELECT g, COUNT(*) AS n FROM t GROUP BY g HAVING g IN ('a', NULL) OR g = NULL", path)
    assert [record["g"] for record in odd.records()] == ["a"]


def test_every_released_figure_is_an_integer_over_a_public_scale(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", random_rows(random.Random(4), 60))
    bench = people()
    for seed in range(8):
        sql = random_query(random.Random(seed), has_people=True, may_be_open=False)
        ready = bench.prepared(sql, rho=10**10)
        ours, empty = ready.run(path, 3), ready.run(write(tmp_path / "empty.parquet", []), 3)
        assert ours.columns == empty.columns  # scales and ± do not depend on the rows
        for line, (index, column) in itertools.product(ours.rows, enumerate(ours.columns)):
            if column.scale is not None:
                assert type(line[index]) is int
                assert Fraction(line[index], column.scale).denominator <= column.scale


@pytest.mark.parametrize("bench", [people(), rows_as_units()], ids=["people", "rows"])
def test_sums_do_not_depend_on_order_or_threads(tmp_path: Path, bench: Bench) -> None:
    dice = random.Random(9)
    rows = [(dice.randrange(10**6), dice.uniform(-30, 80), *line[2:]) for line in random_rows(dice, 60) * 20]
    ready = bench.prepared("SELECT g, COUNT(*) AS n, SUM(x) AS s, AVG(x * k / 3) AS m FROM t GROUP BY g")
    first = ready.exact(write(tmp_path / "0.parquet", rows), 11)
    for threads in (1, 2, 4):
        dice.shuffle(rows)
        assert replace(ready, threads=threads).exact(write(tmp_path / "1.parquet", rows), 11) == first


def status(act: Callable[[], object]) -> str:
    """Return what an outsider sees of a run."""
    try:
        act()
    except PrivacyError as error:
        return error.code
    return "finished"


def test_no_row_decides_whether_a_query_fails(tmp_path: Path) -> None:
    """D, D without a row, and the empty table end the same way, whatever the values."""
    dice = random.Random(21)
    empty = write(tmp_path / "empty.parquet", [])
    for seed in range(12):
        rows = random_rows(dice, 30)
        whole = write(tmp_path / "d.parquet", rows)
        fewer = write(tmp_path / "e.parquet", rows[1:])
        bench = people() if seed % 2 else rows_as_units()
        ready = bench.prepared(random_query(random.Random(seed), has_people=bench.has_people))
        assert {status(lambda r=ready, p=path: r.run(p, 1)) for path in (whole, fewer, empty)} == {"finished"}


def test_columns_of_the_wrong_physical_type_do_not_fail(tmp_path: Path) -> None:
    path = str(tmp_path / "t.parquet")
    text = ["'5'", "'abc'", "NULL", "'1e400'", "'-3'", "'0x10'", "'true'", "'2020-01-01'", "'😀'"]
    values = ", ".join(f"({i}, {i}, {', '.join([v] * 7)})" for i, v in enumerate(text))
    names = '_row, who, x, k, g, h, "num.co", note, day'
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {values}) v({names})) TO '{path}' (FORMAT parquet)")
    for seed in range(12):
        sql = random_query(random.Random(seed), has_people=True)
        assert status(lambda s=sql: people().prepared(s).run(path, 1)) == "finished"


ATTACKS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_text('/etc/hostname')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{path}'",
    "ATTACH '{folder}/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET threads = 64",
    "SET memory_limit = '64GB'",
    "SELECT getenv('HOME')",
    "EXPORT DATABASE '{folder}/dump'",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_side_effects_are_refused_by_the_parser_and_blocked_by_the_engine(
    tmp_path: Path, attack: str
) -> None:
    folder = tmp_path / "versions"
    folder.mkdir()
    path = write(folder / "t.parquet", [row()])
    before = Path(path).read_bytes()
    sql = attack.format(folder=folder, path=path)
    with pytest.raises(QueryRejected):
        parse(sql, people().table)
    with duckdb.connect(":memory:") as connection:
        for setting in lockdown([path], 256, 1):
            connection.execute(setting)
        assert connection.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchall() == [(1,)]
        with pytest.raises(duckdb.Error):
            connection.execute(sql).fetchall()
    assert [file.name for file in folder.iterdir()] == ["t.parquet"]
    assert Path(path).read_bytes() == before


HOSTILE_TEXTS = [
    "'",
    "''",
    "\\'",
    "\\",
    "$path",
    "$salt",
    "'; DROP TABLE t; --",
    "%' OR '1'='1",
    "é\u202e",
    '"',
    "{}",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_literal_stays_a_literal(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "t.parquet", [row(note=text), row(note="other")])
    quoted = text.replace("'", "''")
    if not text.isprintable():
        assert (
            status(lambda: parse(f"SELECT COUNT(*) FROM t WHERE note = '{quoted}'", people().table))
            == "type_mismatch"
        )
        return
    got = answer(rows_as_units(), f"SELECT COUNT(*) AS n FROM t WHERE note = '{quoted}'", path).records()
    assert got == [{"n": 1}]


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    name = "a\"b'; --"
    table = Table(
        "t", (Column(name, Kind.INTEGER, Decimal(0), Decimal(9), nullable=False),), PrivacyUnit(None, 1, 1), 9
    )
    path = str(tmp_path / "t.parquet")
    duckdb.sql(f'COPY (SELECT 0 AS _row, 4 AS "a""b\'; --") TO \'{path}\' (FORMAT parquet)')
    got = Bench(table).prepared('SELECT SUM("a""b\'; --") AS s FROM t').exact(path, 1)
    assert got == {0: (4,)}


def test_an_engines_words_never_leave(tmp_path: Path) -> None:
    broken = tmp_path / "secret-value-7.parquet"
    broken.write_bytes(b"this is no parquet file")
    ready = people().prepared("SELECT COUNT(*) FROM t")
    with pytest.raises(EngineFault) as caught:
        ready.run(str(broken), 1)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "path", ["relative.parquet", "/no/such/file.parquet", "/tmp/*.parquet", "https://x/y.parquet"]
)
def test_only_one_plain_file_can_be_opened(path: str) -> None:
    with pytest.raises(EngineFault) as caught:
        people().prepared("SELECT COUNT(*) FROM t").run(path, 1)
    assert caught.value.code == "file_missing"


def test_too_little_memory_is_a_fault_without_detail(tmp_path: Path) -> None:
    path = str(tmp_path / "t.parquet")
    columns = ", ".join(f"NULL AS {name}" for name in ("x", "k", "g", "h", '"num.co"', "note", "day"))
    duckdb.sql(
        f"COPY (SELECT i AS _row, i % 400000 AS who, {columns} FROM range(800000) t(i)) TO '{path}' (FORMAT parquet)"
    )
    ready = replace(people().prepared("SELECT COUNT(DISTINCT who) FROM t"), memory_mb=8)
    with pytest.raises(EngineFault):
        ready.run(path, 1)


def spec_of(sql: str, rho: int = 10**10) -> dict[str, object]:
    """Return a job's specification."""
    table = people().table
    plan = parse(sql, table)
    loss = price(plan, table, rho=rho, delta=10**12).loss
    return {"plan": plan.to_dict(), "table": table.to_dict(), "loss": loss.to_dict(), "declared_rows": 10**6}


def test_a_run_is_prepared_from_json_and_within_its_loss() -> None:
    ready = prepare(spec_of("SELECT g, AVG(x) AS m FROM t GROUP BY g"))
    assert ready.pricing.loss.rho == 10**10
    assert ready.memory_mb == 712
    assert sum(vector.rho for vector in ready.mechanisms.vectors.values()) <= 0.01


def test_a_specification_that_is_not_whole_is_refused() -> None:
    whole = spec_of("SELECT COUNT(*) FROM t")
    for bad in ({**whole, "sql": "x"}, {key: value for key, value in whole.items() if key != "loss"}):
        with pytest.raises(QueryRejected):
            prepare(bad)


def test_a_plan_that_would_cost_more_than_reserved_is_not_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a price list whose noise is half of what it should be."""
    from privacy.query import execute

    def cheap(*args: object, **options: object) -> object:
        fair = price(*args, **options)  # type: ignore[arg-type]
        return replace(fair, measures=tuple(replace(m, scale=m.scale / 2) for m in fair.measures))

    def dear(*args: object, **options: object) -> object:
        fair = price(*args, **options)  # type: ignore[arg-type]
        return replace(fair, loss=fair.loss + fair.loss)

    for planted in (cheap, dear):
        monkeypatch.setattr(execute, "price", planted)
        with pytest.raises(LossExceeded):
            prepare(spec_of("SELECT COUNT(*) FROM t"))


def test_what_no_parser_wrote_is_never_written_as_a_query() -> None:
    writer = RowSql(people().table)
    with pytest.raises(EngineFault):
        text_sql("a\0b")
    for odd in (Expr("agg", value="0"), Expr("unit", (Expr("null"),)), Expr("col", value="nobody")):
        with pytest.raises(EngineFault):
            writer.expr(odd)


def test_an_answer_survives_its_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [row(x=1.0)])
    ours = (
        people().prepared("SELECT g, AVG(x) AS m, COUNT(*) AS n FROM t GROUP BY g", rho=10**10).run(path, 1)
    )
    assert Answer.from_bytes(ours.to_bytes()).to_bytes() == ours.to_bytes()
    assert ours.certificate["loss"] == {"rho": 10**10, "delta": 0, "pure": 0}
    assert len(ours.certificate["measures"]) == 3
    for bad in (b"", b"{}", b'{"version": 2}', b"[]"):
        with pytest.raises(EngineFault):
            Answer.from_bytes(bad)


def test_support2_is_answered_within_its_stated_error(tmp_path: Path) -> None:
    if not SUPPORT2.exists():
        pytest.skip("the demo's dataset is not in this tree")
    table = Table(
        "patients",
        (
            Column("age", Kind.DECIMAL, Decimal(18), Decimal(110), Decimal("0.1"), nullable=False),
            Column("sex", Kind.CATEGORY, codes=("female", "male"), nullable=False),
            Column("num.co", Kind.INTEGER, Decimal(0), Decimal(9), nullable=False),
            Column("dzgroup", Kind.TEXT, nullable=False),
        ),
        PrivacyUnit(None, 1, 1),
        10_000,
    )
    path = str(tmp_path / "s.parquet")
    duckdb.sql(
        f'COPY (SELECT row_number() OVER () - 1 AS _row, age, trim(sex) AS sex, "num.co", trim(dzgroup) AS dzgroup'
        f" FROM read_csv('{SUPPORT2}', all_varchar = true)) TO '{path}' (FORMAT parquet)"
    )
    truth = {
        sex: (n, age)
        for sex, n, age in duckdb.sql(
            f"SELECT sex, count(*), avg(age::DOUBLE) FROM read_parquet('{path}') GROUP BY sex"
        ).fetchall()
    }
    bench = Bench(table)
    got = bench.prepared(
        "SELECT sex, COUNT(*) AS n, AVG(age) AS a FROM patients GROUP BY sex", rho=22_937_400_000
    )
    for record in got.run(path, 1).records():
        n, age = truth[record["sex"]]
        assert abs(int(str(record["n"])) - n) < 60
        assert abs(float(str(record["a"])) - age) < 1
    names = bench.prepared("SELECT dzgroup, COUNT(*) AS n FROM patients GROUP BY dzgroup", rho=10**10)
    assert len(names.run(path, 1).rows) == 8
