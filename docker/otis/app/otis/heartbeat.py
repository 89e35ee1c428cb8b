"""A file that is touched again and again for as long as the consumer loop turns.

The health check looks at the file's age. A timer of Celery's own event loop
touches it, hence it goes stale when the process is stopped, when the loop hangs
and when the broker is lost, and no check has to start a Python of its own.
"""

from pathlib import Path

from celery import bootsteps

FILE = Path("/run/otis/heartbeat")

# The loop sleeps until its next timer and only then sees that it has to stop, so
# this is also what a shutdown waits for at first.
SECONDS = 0.25


class Heartbeat(bootsteps.StartStopStep):
    requires = {"celery.worker.consumer.tasks:Tasks"}

    def __init__(self, consumer, **options):
        super().__init__(consumer, **options)
        self.timer = None

    def start(self, consumer):
        FILE.touch()
        self.timer = consumer.timer.call_repeatedly(SECONDS, FILE.touch)

    def stop(self, consumer):
        if self.timer:
            self.timer.cancel()
            self.timer = None
