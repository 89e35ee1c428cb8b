# Feast's own client: the online store is asked through the feature server.
import json

from feast import FeatureStore, RepoConfig
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

store = FeatureStore(
    config=RepoConfig(
        project="e2i",
        provider="local",
        registry="/var/lib/feast/registry.db",
        online_store={"type": "remote", "path": "http://feast:6566"},
        entity_key_serialization_version=3,
    )
)
reply = store.get_online_features(
    features=["customer:age"], entity_rows=[{"customer_id": 7}, {"customer_id": 1007}]
)
column = list(reply.proto.metadata.feature_names.val).index("age")
statuses = [FieldStatus.Name(status) for status in reply.proto.results[column].statuses]
print(json.dumps({"ages": reply.to_dict()["age"], "statuses": statuses}))
