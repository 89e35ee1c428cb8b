"""The feature repository: what is known about a customer."""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)

customer_view = FeatureView(
    name="customer",
    entities=[customer],
    schema=[Field(name="age", dtype=Float64), Field(name="visits", dtype=Int64)],
    source=FileSource(path="/var/lib/feast/customers.parquet", timestamp_field="seen"),
    # The data is as old as the image, and must not run out.
    ttl=timedelta(0),
)
