"""The Celery app that api, worker and scheduler share, and how it reaches the broker."""

from pathlib import Path

from celery import Celery
from redis import Redis

AGENT = "e2i.agent"
PULSE = "e2i.pulse"
PULSE_SECONDS = 2.0

# Redis makes the password at its first start. It is read from the shared volume
# so that no environment, command line or `docker inspect` shows it.
PASSWORD = Path("/run/redis/password").read_text().strip()

app = Celery("e2i")
app.conf.update(
    broker_url=f"redis://:{PASSWORD}@redis:6379/0",
    result_backend=f"redis://:{PASSWORD}@redis:6379/0",
    result_expires=3600,
    # JSON only: whoever reaches the broker must not be able to send a pickle.
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    # A publisher that waits for ever would tie up the api's threads.
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2},
    # An agent that hangs is ended, and its place in the pool is filled again.
    task_soft_time_limit=20,
    task_time_limit=25,
    worker_prefetch_multiplier=1,
    # Nobody sends remote control commands; not to listen is cheaper and safer.
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    beat_schedule={
        "pulse": {
            "task": PULSE,
            "schedule": PULSE_SECONDS,
            # What no worker took in time must not pile up.
            "options": {"expires": 5 * PULSE_SECONDS, "ignore_result": True},
        }
    },
)


def working_memory() -> Redis:
    """Redis beside the broker's own keys: what the services remember between tasks."""
    return Redis(
        host="redis", db=1, password=PASSWORD, socket_timeout=2, socket_connect_timeout=2
    )
