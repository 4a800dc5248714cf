"""Property-based tests here are judged by their results, never by the time an example took on a busy machine."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
