"""What the worker runs: the agents, and the scheduler's pulse."""

from time import time

from e2i.agents import AGENTS
from e2i.heartbeat import WorkerHeartbeat
from e2i.queue import AGENT, PULSE, app, working_memory

app.steps["consumer"].add(WorkerHeartbeat)


@app.task(name=AGENT)
def agent(name: str, customer: int, seed: int) -> dict:
    return AGENTS[name](customer=customer, seed=seed)


@app.task(name=PULSE)
def pulse() -> None:
    """Proves that the way from the scheduler through the broker to the worker is open."""
    with working_memory() as memory, memory.pipeline() as both:
        both.incr("pulses").set("last-pulse", time()).execute()
