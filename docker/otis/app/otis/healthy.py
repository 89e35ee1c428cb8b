"""The api's health check: asks the service over HTTP as any client would."""

import sys
from http.client import HTTPException
from urllib.request import urlopen

try:
    with urlopen("http://127.0.0.1:8000/health", timeout=1) as reply:
        sys.exit(reply.status != 200)
except (OSError, HTTPException) as error:
    sys.exit(f"no good reply: {error}")
