"""Votes of visitors: cast, kept in a chained log, tallied, weighed and checked."""
