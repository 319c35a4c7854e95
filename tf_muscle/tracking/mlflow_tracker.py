"""MLflow as a tracker: the server or store that MLFLOW_TRACKING_URI names, of the extra `mlflow`.

MLflow's own callback for Keras is not used: it adds the validation scores a second time, all of
them at step 0, and swallows what goes wrong.
"""

import os
import re
import time
from collections.abc import Mapping
from types import ModuleType

from tf_muscle.tracking.records import Beginning, End, Result

EXPERIMENT = "tf_muscle"  # unless MLFLOW_EXPERIMENT_NAME says another
# MLflow's own settings, unless the user has made them. Its 7 retries of 2 minutes each would hold
# up a training whose server is down.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
REFUSED = re.compile(r"[^\w./: -]")  # what MLflow takes in no name of a metric
STATUS: dict[End, str] = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


def import_mlflow() -> ModuleType:
    """MLflow with these settings, which it reads when it is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow

    return mlflow


class MlflowTracker:
    """See `records.Tracker`. It leaves a run that the user has open in MLflow alone."""

    def __init__(self) -> None:
        self.mlflow = import_mlflow()
        self.client = self.mlflow.MlflowClient()

    def reach(self, run_id: str | None) -> None:
        if run_id is None:
            self.client.search_experiments(max_results=1)
        else:
            self.client.get_run(run_id)

    def begin(self, beginning: Beginning, run_id: str | None) -> str:
        if run_id is not None:
            self.client.update_run(run_id, status="RUNNING")
            self.run_id = run_id
            return run_id
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = self.mlflow.set_experiment(name)
        tags = {"group": beginning.group} if beginning.group else {}
        run = self.client.create_run(
            experiment.experiment_id, run_name=beginning.name, tags=tags
        ).info
        self.run_id = str(run.run_id)
        parameters = [
            self.mlflow.entities.Param(key, str(value))
            for key, value in beginning.parameters.items()
        ]
        self.client.log_batch(self.run_id, params=parameters)
        for fold in beginning.folds:
            self.client.set_tag(fold, "mlflow.parentRunId", self.run_id)
        print(f"MLflow: run {self.run_id} of the experiment {name}")
        return self.run_id

    def log_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        self._log(scores, epoch)

    def log_result(self, result: Result) -> None:
        self._log(result.scores, 0)
        for path in result.files:
            self.client.log_artifact(self.run_id, str(path))
        for path in result.figures:
            self.client.log_artifact(self.run_id, str(path), "figures")

    def end(self, how: End) -> None:
        self.client.set_terminated(self.run_id, STATUS[how])

    def _log(self, scores: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        metrics = [
            self.mlflow.entities.Metric(REFUSED.sub("_", key), value, now, step)
            for key, value in scores.items()
        ]
        self.client.log_batch(self.run_id, metrics=metrics)
