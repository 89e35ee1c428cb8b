"""Fits the model while the image is built and puts it into BentoML's store.

A logistic regression by Newton's method, on customers who are made up: small, but
a model that was fitted and is served, not a constant.
"""

import bentoml
import numpy

ROWS = 5_000
WEIGHTS = numpy.array([-3.0, 0.02, 0.5])

random = numpy.random.default_rng(1)
age = random.uniform(18, 80, ROWS)
visits = random.poisson(3, ROWS)
design = numpy.column_stack([numpy.ones(ROWS), age, visits])
bought = random.random(ROWS) < 1 / (1 + numpy.exp(-design @ WEIGHTS))

fitted = numpy.zeros(3)
for _ in range(20):
    probability = 1 / (1 + numpy.exp(-design @ fitted))
    curvature = (design * (probability * (1 - probability))[:, None]).T @ design
    fitted += numpy.linalg.solve(curvature, design.T @ (bought - probability))
if not numpy.allclose(fitted, WEIGHTS, atol=0.4):
    raise SystemExit(f"the fit is off: {fitted}")

with bentoml.models.create("purchase") as model:
    numpy.save(model.path_of("weights.npy"), fitted)
