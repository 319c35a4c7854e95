"""The KerasTuner search over the documented grid; installed as `tf_muscle.tuner`."""
