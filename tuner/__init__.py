"""The KerasTuner search over the documented grid."""
