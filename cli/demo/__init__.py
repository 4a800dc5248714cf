"""The worked example: flights of 2013 turned into Parquet sources with honest times.

What is known when, and why, is in docs/flights.md.
"""
