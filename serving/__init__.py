"""The HTTP service: features, vectors, predictions."""
