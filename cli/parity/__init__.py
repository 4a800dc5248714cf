"""Parity: training and serving compared for the same entities and times."""
