"""Reads an export of Roboflow: files -> records -> masks. Needs no TensorFlow."""
