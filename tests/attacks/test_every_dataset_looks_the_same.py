"""Status, charge, planned time, log and shape of an answer are the same for D, for D less a person, and for nobody.

What can differ is drawn from the noise alone. The rows are as hostile as a file can make them.
"""

from __future__ import annotations

from typing import Any

import pytest

from domains.audit.models import AuditEvent
from domains.jobs.models import Job
from domains.ledger.models import Charge
from domains.requests import execution
from domains.requests.models import AnalysisRequest
from tests import make
from tests.attacks import kit

pytestmark = pytest.mark.django_db

HEADER = "who,x,y,c,d,t"
HOSTILE = [
    "p1,NaN,nan,a,2020-01-01,\u202eabc",
    "p1,inf,-inf,b,9999-12-31,\U0001f600",
    "p1,1e308,9223372036854775808,zzz,0001-01-01,''; DROP TABLE x; --",
    "p2,-1e308,-9223372036854775809,,infinity,\ufeff",
    "p2,,,,,",
    "p3,0x10,1e3,A,2020-02-30,a b",
    'p4,"1,5","1 000",a,yesterday,"multi ""quoted"" text"',
    ",7,3,a,2021-05-05,nobody",
    *(f"p{n},{n}.25,{n % 7},{'ab'[n % 2]},2020-03-{n % 28 + 1:02d},name {n % 3}" for n in range(5, 40)),
]
DATASETS = {
    "whole": HOSTILE,
    "neighbour": [line for line in HOSTILE if not line.startswith("p1,")],
    "sparse": ["p9,,,,,"],
}
DECLARED: dict[str, Any] = {
    "columns": [
        {"name": "who", "kind": "text"},
        {"name": "x", "kind": "decimal", "lower": "0", "upper": "100", "step": "0.01", "source": "protocol"},
        {"name": "y", "kind": "integer", "lower": "-5", "upper": "5", "source": "protocol"},
        {"name": "c", "kind": "category", "codes": ["a", "b"], "source": "protocol"},
        {"name": "d", "kind": "date"},
        {"name": "t", "kind": "text"},
    ],
    "unit_column": "who",
    "max_groups": 2,
    "max_rows": 2,
    "max_units": 1_000,
    "declared_rows": 1_000,
}
QUESTIONS = [
    "SELECT COUNT(*) AS n, SUM(x) AS s, AVG(x / GREATEST(y, 1)) AS m FROM {}",
    "SELECT c, COUNT(DISTINCT who) AS n, SUM(y) AS s FROM {} WHERE d >= DATE '2020-01-01' OR x < 50 GROUP BY c",
    "SELECT t, COUNT(*) AS n FROM {} GROUP BY t",
    "SELECT COUNT(*) FILTER (WHERE t LIKE '%a%') AS n, AVG(SQRT(x)) AS r FROM {} WHERE YEAR(d) <> 2021",
]


def seen(portal: kit.Portal, grant: Any, name: str, questions: list[str]) -> list[tuple[object, ...]]:
    """Return all that the node told, kept and charged for the questions about one dataset."""
    found: list[tuple[object, ...]] = []
    for question in questions:
        begin = AuditEvent.objects.count()
        analysis = portal.asked(grant, question.format(name), "2")
        make.run_jobs()
        job = Job.objects.get(pk=analysis.job_id)
        charge = Charge.objects.get(pk=job.charge_id)
        told = portal.call("sam").get(f"{kit.BASE}requests/{analysis.pk}/progress/").json()["code"]
        events = list(AuditEvent.objects.order_by("index").values_list("event", flat=True)[begin:])
        found.append((told, job.status, job.planned_seconds, charge.rho, charge.delta, charge.state, events))
        found.append(shape(portal, analysis))
    return found


def shape(portal: kit.Portal, analysis: AnalysisRequest) -> tuple[object, ...]:
    """Return what an answer looks like, without what noise decides."""
    response = portal.call("sam").get(f"{kit.BASE}requests/{analysis.pk}/result/")
    if response.status_code != 200:
        return (response.status_code, response.json()["code"])
    answer = response.json()["answer"]
    chosen_by_noise = any(column["name"] == "t" for column in answer["columns"])
    return (answer["columns"], None if chosen_by_noise else len(answer["rows"]), answer["notes"])


def looks(questions: list[str], *names: str) -> dict[str, list[tuple[object, ...]]]:
    """Return what the node shows of each of these datasets when it is asked the questions."""
    portal = kit.Portal()
    grants = {}
    for name in names:
        kit.published(name, [HEADER, *DATASETS[name]], DECLARED)
        grants[name] = kit.granted(name)
    for name in ("sam", "alice"):
        portal.call(name)  # their tokens are made before anything is compared
    return {name: seen(portal, grant, name, questions) for name, grant in grants.items()}


def check(found: dict[str, list[tuple[object, ...]]]) -> None:
    assert all(shown == found["whole"] for shown in found.values())
    assert {line[0] for line in found["whole"][::2]} == {"released"}


@pytest.mark.prove
def test_nothing_that_an_outsider_sees_depends_on_the_rows() -> None:
    check(looks(QUESTIONS, *DATASETS))


@pytest.mark.prove
def test_a_run_that_fails_for_some_rows_only_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: the engine cannot open the file of one dataset."""
    right = execution.storage.path_of

    def stumbling(version: Any) -> Any:
        path = right(version)
        return path.with_name("gone") if version.dataset.slug == "neighbour" else path

    monkeypatch.setattr(execution.storage, "path_of", stumbling)
    with pytest.raises(AssertionError):
        check(looks(QUESTIONS[:1], "whole", "neighbour"))
