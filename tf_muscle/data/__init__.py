"""Photos: from a Roboflow export through TFDS to augmented batches."""
