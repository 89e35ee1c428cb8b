# MLflow's own client: a run with a metric and an artifact, read back from the server.
import json

import mlflow

mlflow.set_tracking_uri("http://mlflow:5000")
mlflow.set_experiment("clients")
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.75)
    mlflow.log_text("kept", "note.txt")
stored = mlflow.MlflowClient().get_run(run.info.run_id)
note = mlflow.artifacts.load_text(f"{stored.info.artifact_uri}/note.txt")
print()
print(
    json.dumps(
        {
            "status": stored.info.status,
            "metrics": stored.data.metrics,
            "note": note,
            "artifacts": stored.info.artifact_uri.split(":")[0],
        }
    )
)
