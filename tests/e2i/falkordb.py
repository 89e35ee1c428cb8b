# FalkorDB's own client: what one query creates, another finds.
import json
from pathlib import Path

from falkordb import FalkorDB

password = Path("/run/falkordb/password").read_text().strip()
graph = FalkorDB(host="falkordb", password=password).select_graph("clients")
created = graph.query("CREATE (:A {name: 'a'})-[:KNOWS]->(:B {name: 'b'})")
found = graph.ro_query("MATCH (:A {name: 'a'})-[:KNOWS]->(b:B) RETURN b.name")
print(json.dumps({"created": created.relationships_created, "found": found.result_set}))
graph.delete()
