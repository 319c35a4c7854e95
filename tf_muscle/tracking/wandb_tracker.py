"""Weights & Biases as a tracker, of the extra `wandb`; WANDB_MODE=offline keeps all in the folder.

Its own callback for Keras is not used: it records the learning rate of the next epoch as that of
the one that ended.
"""

import os
from collections.abc import Mapping
from types import ModuleType

from tf_muscle.tracking.records import Beginning, End, Result

PROJECT = "tf_muscle"  # unless WANDB_PROJECT says another
INIT_SECONDS = 30  # its own 90 would hold up a training whose server is down
FINISH_SECONDS = 600  # for the upload of a model; W&B waits for ever where a server went away
EXIT_CODES: dict[End, int] = {"finished": 0, "interrupted": 130, "failed": 1}


def import_wandb() -> ModuleType:
    """W&B, without reports of its own errors to its makers unless the user has asked for them."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    return wandb


class WandbTracker:
    """See `records.Tracker`. It leaves a run that the user has open in W&B alone."""

    def __init__(self) -> None:
        self.wandb = import_wandb()

    def reach(self, run_id: str | None) -> None:
        if self.wandb.setup().settings.mode == "online":
            self.wandb.login(verify=True)
            if run_id is not None:  # raises if it is not there
                self.wandb.Api(timeout=INIT_SECONDS).run(f"{_project()}/{run_id}")

    def begin(self, beginning: Beginning, run_id: str | None) -> str:
        # Neither what the terminal shows nor the state of a git checkout is sent.
        settings = self.wandb.Settings(
            console="off",
            disable_git=True,
            disable_code=True,
            init_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
            finish_timeout_raises=True,
        )
        self.run = self.wandb.init(
            project=_project(),
            name=beginning.name,
            group=beginning.group,
            config=dict(beginning.parameters),
            dir=os.environ.get("WANDB_DIR", str(beginning.folder)),
            id=run_id,
            resume="allow" if run_id else None,
            reinit="create_new",
            settings=settings,
        )
        self.run.define_metric("epoch")
        self.run.define_metric("*", step_metric="epoch")
        return str(self.run.id)

    def log_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        self.run.log({**scores, "epoch": epoch})

    def log_result(self, result: Result) -> None:
        self.run.summary.update(dict(result.scores))
        self.run.log(
            {f"figures/{path.stem}": self.wandb.Image(str(path)) for path in result.figures}
        )
        artifact = self.wandb.Artifact(f"run-{self.run.id}", type="model")
        for path in result.files:
            artifact.add_file(str(path), policy="immutable")  # else it is copied to a cache first
        self.run.log_artifact(artifact)

    def end(self, how: End) -> None:
        self.run.finish(exit_code=EXIT_CODES[how])


def _project() -> str:
    return os.environ.get("WANDB_PROJECT", PROJECT)
