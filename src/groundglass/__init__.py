"""Groundglass: chest CT in, answer out. Research use only; not a medical device."""

__version__ = "0.1.0"
