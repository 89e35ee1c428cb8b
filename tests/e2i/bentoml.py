# BentoML's own client, over the network.
import json

import bentoml

with bentoml.SyncHTTPClient("http://bentoml:3000") as client:
    print(json.dumps(client.predict(rows=[(40, 0), (40, 3), (40, 9)])))
