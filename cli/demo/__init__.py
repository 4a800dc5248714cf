"""The worked example: the flights of 2013."""
