"""The kinds: elementary transforms with a revision, one to a file."""
