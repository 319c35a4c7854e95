"""The folder of a run and its manifest. Needs no TensorFlow."""
