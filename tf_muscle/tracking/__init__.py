"""Experiment trackers: a run's options, curves, scores and model, sent where `--log` says."""
