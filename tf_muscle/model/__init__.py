"""The network, its losses and its scores."""
