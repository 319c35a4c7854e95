"""A trained model in the formats of other runtimes, each compared with the Keras model."""
