"""Votes: distinct people count, those on the project never, and a refusal outweighs approvals."""

from hypothesis import given
from hypothesis import strategies as st

from domains.projects.policy import Ballot, Outcome, decide

PEOPLE = st.sampled_from("abcdef")
BALLOTS = st.lists(
    st.builds(Ballot, PEOPLE, st.sampled_from(["approve", "request_changes", "deny"])), max_size=8
)


def test_one_approval_decides_and_none_waits():
    assert decide([], barred=()) is Outcome.WAIT
    assert decide([Ballot("a", "approve")], barred=()) is Outcome.APPROVE


def test_a_quorum_counts_distinct_people():
    twice = [Ballot("a", "approve"), Ballot("a", "approve")]
    assert decide(twice, barred=(), quorum=2) is Outcome.WAIT
    assert decide([*twice, Ballot("b", "approve")], barred=(), quorum=2) is Outcome.APPROVE


@given(BALLOTS, st.sets(PEOPLE), st.integers(1, 3))
def test_votes_of_those_on_the_project_change_nothing(ballots, barred, quorum):
    without = [ballot for ballot in ballots if ballot.person not in barred]
    assert decide(ballots, barred=barred, quorum=quorum) is decide(without, barred=(), quorum=quorum)


@given(BALLOTS, st.integers(1, 3))
def test_it_approves_only_with_enough_people_and_no_other_vote(ballots, quorum):
    people = {ballot.person for ballot in ballots}
    votes = {ballot.vote for ballot in ballots}
    assert (decide(ballots, barred=(), quorum=quorum) is Outcome.APPROVE) == (
        votes == {"approve"} and len(people) >= quorum
    )


@given(BALLOTS)
def test_a_refusal_overrides(ballots):
    assert decide([*ballots, Ballot("z", "deny")], barred=()) is Outcome.DENY
