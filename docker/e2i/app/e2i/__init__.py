"""The E2I services: an api that asks 18 agents, a worker that is the agents, a scheduler."""
