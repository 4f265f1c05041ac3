"""The main job, once, through the public REST API alone: publish, propose, allocate, ask, approve, answer, verify."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gridhouse
from gridhouse import verify

DATA = Path(__file__).parent / "support2"
QUESTION = (
    "SELECT dzgroup, COUNT(*) AS patients, AVG(age) AS mean_age "
    "FROM support2 GROUP BY dzgroup ORDER BY dzgroup"
)
PENDING = "SELECT sex, COUNT(*) AS patients, AVG(age) AS mean_age FROM support2 WHERE hospdead GROUP BY sex"
DATASET_EPSILON, GRANT_EPSILON = "3", "1"


class StepFailed(Exception):
    """A step of the story did not do what it says; the demonstration exits with an error."""


@dataclass
class Cast:
    """The clients of the people in the story."""

    alice: gridhouse.Client
    rita: gridhouse.Client
    sam: gridhouse.Client
    ada: gridhouse.Client


def tell(cast: Cast, *, epsilon: str, say: Callable[[str], None]) -> None:
    """Play the story and say each step; raise StepFailed, or the API's own error, if one fails."""
    dataset = publish(cast, say)
    project = propose(cast, dataset, say)
    grant = allocate(cast, project, say)
    query = ask(cast, grant, epsilon, say)
    before = _left(cast.sam, grant)
    decide(cast, query, say)
    result = answer(query, say)
    spent(cast, grant, before, result, say)
    prove(result, say)
    again(cast, grant, epsilon, before, say)
    pending = cast.sam.sql(grant, PENDING, epsilon=epsilon, title="Deaths in hospital by sex").submit()
    say(f"Left for you: “{pending.title}” waits for Alice's decision in the browser.")


def publish(cast: Cast, say: Callable[[str], None]) -> Any:
    declared = json.loads((DATA / "schema.json").read_text())
    dataset = cast.alice.create_dataset(
        area="intensive-care", population="SUPPORT2 patients", **declared["dataset"]
    )
    dataset.upload(DATA / "support2.csv.gz")
    dataset.declare(**declared["version"])
    dataset.conform()
    dataset.publish(attested=True, dataset_epsilon=DATASET_EPSILON, population_epsilon=DATASET_EPSILON)
    say(f"1. Alice, the data owner, publishes “{dataset.title}” with declared public bounds.")
    say(f"   It may be asked until ε = {DATASET_EPSILON} is spent, by everyone together.")
    return dataset


def propose(cast: Cast, dataset: Any, say: Callable[[str], None]) -> Any:
    project = cast.sam.propose_project(
        area="intensive-care",
        title="Who needs intensive care",
        lay_summary="We ask how many seriously ill patients have each disease, and how old they are.",
        purpose="Health services research: planning intensive care for an ageing population.",
        datasets=[dataset.slug],
    )
    project.submit()
    cast.rita.project(project.id).approve()
    say("2. Sam, a data scientist, proposes a project; Rita, a reviewer of the research area, approves it.")
    return project


def allocate(cast: Cast, project: Any, say: Callable[[str], None]) -> Any:
    grant = cast.ada.project(project.id).grants[0]
    grant.allocate(epsilon=GRANT_EPSILON)
    say(f"3. Ada, the administrator, allocates ε = {GRANT_EPSILON} to the project on this dataset.")
    return cast.sam.project(project.id).grants[0]


def ask(cast: Cast, grant: Any, epsilon: str, say: Callable[[str], None]) -> Any:
    query = cast.sam.sql(grant, QUESTION, epsilon=epsilon, title="Patients and age by disease")
    estimate = query.estimate()
    say(f"4. Sam asks: {QUESTION}")
    say(
        f"   estimate: ρ = {estimate.rho:.6f} (ε = {epsilon} alone); the budget holds {estimate.similar_left} such"
    )
    for measure in estimate.measures:
        error = f"± {measure['plus_minus_95']}" if measure["plus_minus_95"] else measure["note"]
        say(f"   expected error of {measure['name']}: {error}")
    query.submit()
    say(f"   submitted: {query.status().label} — {query.status().why}")
    return query


def decide(cast: Cast, query: Any, say: Callable[[str], None]) -> None:
    waiting = {item.id: item for item in cast.alice.queue()}
    if query.id not in waiting:
        raise StepFailed("The request is not in Alice's queue.")
    waiting[query.id].approve(reason="Clear purpose, small cost.")
    say("5. Alice approves: the loss is reserved and the job queued.")


def answer(query: Any, say: Callable[[str], None]) -> Any:
    query.wait(timeout=60)
    result = query.result()
    if not result.rows:
        raise StepFailed("The answer has no rows.")
    say("6. A Celery worker in another process charges the ledger, reads the data and answers:")
    for line in result.as_text().splitlines():
        say(f"   {line}")
    return result


def _left(client: gridhouse.Client, grant: Any) -> dict[str, Any]:
    return {row["scope"]: row for row in client.budget(grant)}


def spent(cast: Cast, grant: Any, before: dict[str, Any], result: Any, say: Callable[[str], None]) -> None:
    after = _left(cast.sam, grant)
    say(f"7. Cost: ρ = {result.cost['rho']:.6f}. Budget left, before → after:")
    for scope, row in after.items():
        if row["left"]["rho"] >= before[scope]["left"]["rho"]:
            raise StepFailed(f"The {scope} budget did not shrink.")
        used = f"{before[scope]['epsilon_used']:.4f} → {row['epsilon_used']:.4f}"
        say(f"   {scope:<10} ε used {used} of {row['epsilon_limit']:.4f}")


def prove(result: Any, say: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "receipt.json"
        path.write_text(json.dumps(result.receipt()))
        done = subprocess.run(
            [sys.executable, "-I", verify.__file__, str(path)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise StepFailed(f"The receipt does not verify: {done.stdout}{done.stderr}")
    say(f"8. The offline verifier, without the node: {done.stdout.strip()}")


def again(cast: Cast, grant: Any, epsilon: str, before: dict[str, Any], say: Callable[[str], None]) -> None:
    paid = _left(cast.sam, grant)
    query = cast.sam.sql(grant, QUESTION, epsilon=epsilon, title="The same question again").submit()
    query.wait(timeout=30)
    if _left(cast.sam, grant) != paid:
        raise StepFailed("Asking the same question again changed the budget.")
    say("9. The same question again returns the stored answer at no cost.")
