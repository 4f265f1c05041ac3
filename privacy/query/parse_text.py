"""Text to syntax tree, within public limits: the one place where hostile text meets the SQL reader."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import sqlglot
from sqlglot import exp

from privacy.errors import QueryRejected
from privacy.query import refuse

MAX_SQL = 10_000
MAX_TOKENS = 3_000
MAX_NESTING = 40

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # it would quote the query in our logs


def tree(sql: str) -> exp.Expression:
    """Return the syntax tree of exactly one statement, within public limits of size and depth."""
    if not isinstance(sql, str) or not sql.strip():
        raise refuse.syntax("There is no query.")
    if len(sql) > MAX_SQL:
        raise refuse.too_long(f"A query may have at most {MAX_SQL} characters.")
    try:
        tokens = sqlglot.tokenize(sql, read="duckdb")
        _check_depth(token.text for token in tokens)
        if len(tokens) > MAX_TOKENS:
            raise refuse.too_long(f"A query may have at most {MAX_TOKENS} words and signs.")
        trees = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
    except QueryRejected:
        raise
    except RecursionError:
        raise refuse.too_deep() from None
    except Exception:
        raise refuse.syntax("The text is not a SQL query that can be read.") from None
    if len(trees) != 1:
        raise refuse.many_statements()
    return trees[0]


def _check_depth(texts: Iterable[str]) -> None:
    """Refuse brackets, or operators without brackets, so deep that a tree walk would run out of stack."""
    depth = run = 0
    for text in texts:
        depth += (text in "([{" and text != "") - (text in ")]}" and text != "")
        run = run + 1 if text.upper() in ("NOT", "-", "+", "~", "CASE") else 0
        if depth > MAX_NESTING or run > MAX_NESTING:
            raise refuse.too_deep()
