"""Feast plug-ins: packed Redis online store, as-of offline store, batch engine, embedded Redis."""
