"""Questions paid in pure ε, from the opened budget to the released answer. Children really draw the noise."""

import json

import pytest

from domains.ledger import queries as books
from domains.ledger.models import Charge
from domains.requests import actions, decisions, releases
from domains.requests.estimates import estimate
from domains.requests.models import AnalysisRequest
from privacy.loss import Loss
from tests import make, pure

TENTH = Loss(0, 0, 10**11)  # ε = 0.1 and nothing else
NONE = Loss.zero()
MANY = "SELECT {} FROM support2".format(", ".join(f"SUM(age + {n}) AS s{n}" for n in range(9)))


@pytest.fixture
def grant(grant, cast):
    """Sam's grant, with a pure ε of 0.5 under caps of 2."""
    pure.raise_caps(grant, "2", owner=cast["alice"], reviewer=cast["rita"])
    pure.give(grant, "0.5", administrator=cast["ada"])
    return grant


def asked(grant, accounting, sql=make.QUESTION):
    """Draft, check and hand in a question at ε = 0.1."""
    sam = make.person("sam")
    analysis = actions.draft(grant, title="Q", sql=sql, epsilon="0.1", accounting=accounting, by=sam)
    assert actions.check(analysis, by=sam) == []
    actions.submit(analysis, revision=1, by=sam)
    return AnalysisRequest.objects.get(pk=analysis.pk)


def approved(grant, accounting, sql=make.QUESTION):
    analysis = asked(grant, accounting, sql)
    decisions.review(analysis, revision=1, vote="approve", reason="", by=make.person("alice"))
    return analysis


def held(grant):
    return [(row.reserved, row.spent) for row in books.balances(grant, make.person("sam"))]


def certified(analysis):
    """Return the released answer and, of each of its measures, the mechanism and OpenDP's name for it."""
    result = releases.result(AnalysisRequest.objects.get(pk=analysis.pk), by=make.person("sam"))
    measures = result.answer.certificate["measures"]
    return result, {(each["mechanism"], json.loads(each["measurement"])["__function__"]) for each in measures}


def test_a_pure_question_is_answered_with_laplace_noise_and_charged_in_pure_epsilon_alone(cast, grant):
    analysis = approved(grant, "pure")
    assert held(grant) == [(TENTH, NONE)] * 4
    assert make.run_jobs() == 1
    assert held(grant) == [(NONE, TENTH)] * 4
    result, drawn = certified(analysis)
    assert [row[0] for row in result.answer.rows] == ["female", "male"]
    assert drawn == {("discrete Laplace", "make_laplace")}
    assert result.answer.certificate["loss"] == TENTH.to_dict()
    (charge,) = Charge.objects.all()
    assert (charge.state, charge.loss) == ("COMMITTED", TENTH)
    assert charge.certificate["pricing"]["measures"][0]["mechanism"] == "discrete Laplace"

    assert estimate(grant, sql=make.QUESTION, epsilon="0.1", accounting="pure", by=cast["sam"]).is_repeat
    assert not estimate(grant, sql=make.QUESTION, epsilon="0.1", by=cast["sam"]).is_repeat
    again = asked(grant, "pure")
    assert again.status_code == "repeat"
    assert certified(again)[0].payload == result.payload
    assert held(grant) == [(NONE, TENTH)] * 4
    assert Charge.objects.count() == 1


def test_auto_pays_one_count_in_pure_epsilon_and_many_sums_in_rho(grant):
    few = approved(grant, "auto")
    assert make.run_jobs() == 1
    assert certified(few)[1] == {("discrete Laplace", "make_laplace")}
    many = approved(grant, "auto", MANY)
    rho = Loss(many.current.rho, 0)
    assert rho.rho > 0
    assert {each["mechanism"] for each in many.current.pricing["measures"]} == {"discrete Gaussian"}
    assert held(grant) == [(rho, TENTH)] * 4
