"""The 18 agents. Four use one service of the platform each, 14 estimate an effect on a cohort."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import httpx
import numpy
from falkordb import FalkorDB

COHORTS = 14
ROWS = 20_000
TRUE_EFFECT = 2.0


@cache
def client() -> httpx.Client:
    return httpx.Client(timeout=5)


def ask(url: str, body: dict) -> dict:
    reply = client().post(url, json=body)
    reply.raise_for_status()
    return reply.json()


def graph(customer: int, seed: int) -> dict:
    """Keeps the assumed causes in FalkorDB and reads back on which ways they act."""
    database = FalkorDB(
        host="falkordb",
        password=Path("/run/falkordb/password").read_text().strip(),
        socket_timeout=5,
    )
    causes = database.select_graph("causes")
    causes.query("""
        MERGE (price:Variable {name: 'price'})
        MERGE (season:Variable {name: 'season'})
        MERGE (demand:Variable {name: 'demand'})
        MERGE (season)-[:ACTS_ON]->(price)
        MERGE (season)-[:ACTS_ON]->(demand)
        MERGE (price)-[:ACTS_ON]->(demand)
    """)
    ways = causes.ro_query("""
        MATCH way = (:Variable {name: 'season'})-[:ACTS_ON*]->(:Variable {name: 'demand'})
        RETURN [variable IN nodes(way) | variable.name] AS names ORDER BY size(names)
    """)
    return {"ways": [names for (names,) in ways.result_set]}


def features(customer: int, seed: int) -> dict:
    """What Feast's online store knows about the customer."""
    reply = ask(
        "http://feast:6566/get-online-features",
        {"features": ["customer:age", "customer:visits"], "entities": {"customer_id": [customer]}},
    )
    names = reply["metadata"]["feature_names"]
    columns = zip(names, reply["results"], strict=True)
    return {name: {"value": c["values"][0], "status": c["statuses"][0]} for name, c in columns}


def prediction(customer: int, seed: int) -> dict:
    """How likely a customer buys, by the model that BentoML serves."""
    known = features(customer, seed)
    row = [known["age"]["value"], known["visits"]["value"]]
    return {"probability": ask("http://bentoml:3000/predict", {"rows": [row]})[0]}


def experiment(customer: int, seed: int) -> dict:
    """Tracks this question as a run of MLflow."""
    api = "http://mlflow:5000/api/2.0/mlflow/runs"
    run = ask(f"{api}/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    ask(f"{api}/log-parameter", {"run_id": run, "key": "seed", "value": str(seed)})
    ask(f"{api}/update", {"run_id": run, "status": "FINISHED"})
    return {"run_id": run}


def cohort(number: int, customer: int, seed: int) -> dict:
    """Estimates an effect that is known, on data in which a confounder hides it."""
    random = numpy.random.default_rng([seed, number])
    confounder = random.normal(size=ROWS)
    treated = random.random(ROWS) < 1 / (1 + numpy.exp(-confounder))
    outcome = TRUE_EFFECT * treated + 3 * confounder + random.normal(size=ROWS)
    naive = outcome[treated].mean() - outcome[~treated].mean()
    design = numpy.column_stack([treated, confounder, numpy.ones(ROWS)])
    adjusted = numpy.linalg.lstsq(design, outcome, rcond=None)[0][0]
    return {"naive": round(float(naive), 3), "adjusted": round(float(adjusted), 3)}


AGENTS: dict[str, Callable[..., dict]] = {
    "graph": graph,
    "features": features,
    "prediction": prediction,
    "experiment": experiment,
    **{f"cohort-{number:02}": partial(cohort, number) for number in range(1, COHORTS + 1)},
}
