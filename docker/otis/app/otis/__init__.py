"""The OTIS services: an api, a worker and a runner around one Celery queue."""
