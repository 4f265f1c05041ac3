"""The access policy: deny overrides, silence means people, and every outcome says why."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.requests.policy import Allow, Refer, Refuse, Rules, assess
from privacy.loss import Loss

RULES = Rules("01P", 3, auto_rho=100, auto_rho_per_month=250, max_rho=1000, allows_unknown_keys=False)


def judge(rho=50, *, unknown=False, used=0, rules=RULES):
    return assess(Loss(rho, 0), has_unknown_keys=unknown, auto_rho_used=used, rules=rules)


def test_without_an_active_policy_people_decide():
    verdict = judge(rules=None)
    assert isinstance(verdict, Refer)
    assert "no active policy" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ({"rho": 100}, Allow),
        ({"rho": 101}, Refer),
        ({"rho": 1000}, Refer),
        ({"rho": 1001}, Refuse),
        ({"rho": 100, "used": 150}, Allow),
        ({"rho": 100, "used": 151}, Refer),
        ({"rho": 1, "unknown": True}, Refuse),
        ({"rho": 1001, "unknown": True, "used": 10**9}, Refuse),
    ],
)
def test_each_boundary_falls_on_its_own_side(case, kind):
    assert type(judge(**case)) is kind


def test_an_allowed_request_has_no_reasons_and_a_refused_one_names_every_rule_it_breaks():
    assert judge().reasons == []
    assert len(judge(rho=1001, unknown=True).reasons) >= 3


def test_a_policy_without_a_maximum_refuses_nothing_for_its_size():
    assert isinstance(judge(rho=10**9, rules=dataclasses.replace(RULES, max_rho=None)), Refer)


def test_the_actor_in_the_audit_log_names_the_policy_and_its_version():
    assert RULES.actor == "policy:01P:v3"


@given(st.integers(1, 2000), st.integers(0, 500), st.booleans())
def test_a_costlier_request_is_never_judged_more_kindly(rho, used, unknown):
    order = [Allow, Refer, Refuse]
    here = order.index(type(judge(rho, used=used, unknown=unknown)))
    assert order.index(type(judge(rho + 1, used=used, unknown=unknown))) >= here
