"""Seatrial answers one question, which model should we ship?, with evidence, and then ships the answer."""

__version__ = "0.1.0"
