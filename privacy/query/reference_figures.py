"""What the engine answers, as (name, words, example): the reference page and a test read it."""

from __future__ import annotations

FIGURES = (
    ("COUNT(*)", "rows", "SELECT COUNT(*) FROM visits"),
    ("COUNT(column)", "rows where the column is known", "SELECT COUNT(cost) FROM visits"),
    ("COUNT(DISTINCT unit)", "privacy units", "SELECT COUNT(DISTINCT patient) FROM visits"),
    ("SUM(expression)", "a sum of bounded values", "SELECT SUM(cost / 1000) FROM visits"),
    ("AVG(expression)", "a mean of bounded values", "SELECT AVG(age) FROM visits"),
    ("COUNT_IF(condition)", "rows that meet it", "SELECT COUNT_IF(age >= 65) FROM visits"),
    ("VARIANCE, VAR_POP", "a variance of bounded values", "SELECT VARIANCE(age) FROM visits"),
    ("STDDEV, STDDEV_POP", "a standard deviation", "SELECT sex, STDDEV(age) FROM visits GROUP BY sex"),
    ("MEDIAN", "± in percentile points of rank", "SELECT MEDIAN(cost) FROM visits"),
    ("QUANTILE_CONT, QUANTILE_DISC", "any share", "SELECT QUANTILE_CONT(age, 0.9) FROM visits"),
    (
        "PERCENTILE_CONT … WITHIN GROUP",
        "the same in standard SQL",
        "SELECT sex, PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY age) FROM visits GROUP BY sex",
    ),
    (
        "MIN, MAX",
        "a value at a public place near the end, never the last one itself",
        "SELECT MIN(age), MAX(age) FROM visits",
    ),
    (
        "SUM(COUNT(*)) OVER",
        "a running count along a grouping column",
        "SELECT age, SUM(COUNT(*)) OVER (ORDER BY age) AS until FROM visits GROUP BY age",
    ),
    (
        "SUM(COUNT(DISTINCT unit)) OVER",
        "the same of privacy units, one for each group that a unit is in",
        "SELECT age, SUM(COUNT(DISTINCT patient)) OVER (ORDER BY age) AS until FROM visits GROUP BY age",
    ),
    (
        "names of the largest groups",
        "by one noisy choice where that is better than noisy counts",
        "SELECT ward FROM visits GROUP BY ward ORDER BY COUNT(*) DESC LIMIT 3",
    ),
    ("FILTER (WHERE …)", "any of these over some rows", "SELECT AVG(age) FILTER (WHERE died) FROM visits"),
    ("WHERE", "choose rows", "SELECT COUNT(*) FROM visits WHERE sex = 'male' AND age BETWEEN 40 AND 60"),
    (
        "GROUP BY codes",
        "every declared code is shown",
        "SELECT sex, died, COUNT(*) FROM visits GROUP BY 1, 2",
    ),
    (
        "GROUP BY bins",
        "whole numbers between public bounds, by their steps",
        "SELECT FLOOR(age / 10) * 10 AS decade, COUNT(*) FROM visits GROUP BY decade",
    ),
    (
        "GROUP BY CASE",
        "literal results",
        "SELECT CASE WHEN age < 18 THEN 'child' ELSE 'adult' END AS who, COUNT(*) FROM visits GROUP BY 1",
    ),
    ("GROUP BY conditions", "true, false and unknown", "SELECT age >= 65, COUNT(*) FROM visits GROUP BY 1"),
)
