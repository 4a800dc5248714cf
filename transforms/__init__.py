"""Columns, statistics, kinds, transforms, artifacts and their registry."""
