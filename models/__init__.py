"""Model artifacts, families, runtimes and golden predictions."""
