"""Versions, releases, aliases and their log over content-addressed blobs."""
