"""The model server: how likely a customer buys."""

import bentoml
import numpy


@bentoml.service(workers=1, traffic={"timeout": 10})
class E2I:
    model = bentoml.models.BentoModel("purchase:latest")

    def __init__(self) -> None:
        self.weights = numpy.load(self.model.path_of("weights.npy"))

    @bentoml.api
    def predict(self, rows: list[tuple[float, float]]) -> list[float]:
        """The probability of a purchase for rows of age in years and number of visits."""
        design = numpy.column_stack([numpy.ones(len(rows)), numpy.asarray(rows).reshape(-1, 2)])
        return (1 / (1 + numpy.exp(-design @ self.weights))).tolist()
