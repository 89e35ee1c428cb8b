"""Makes up 100 customers, the same ones each time."""

import numpy
import pandas

CUSTOMERS = 100

random = numpy.random.default_rng(1)
pandas.DataFrame(
    {
        "customer_id": numpy.arange(1, CUSTOMERS + 1),
        "age": random.uniform(18, 80, CUSTOMERS).round(1),
        "visits": random.poisson(3, CUSTOMERS),
        "seen": pandas.Timestamp("2025-01-01", tz="UTC"),
    }
).to_parquet("/var/lib/feast/customers.parquet")
