# The same client without the password, with a wrong one and with the right one.
import json
from pathlib import Path

from redis import Redis
from redis.exceptions import AuthenticationError


def ping(password):
    try:
        return Redis(host="redis", password=password).ping()
    except AuthenticationError as refusal:
        return type(refusal).__name__


known = Path("/run/redis/password").read_text().strip()
print(json.dumps([ping(None), ping("guess"), ping(known)]))
