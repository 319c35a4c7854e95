"""The training loop and what surrounds it: device, checkpoints, evaluation, the finished run."""
