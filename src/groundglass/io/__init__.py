"""Readers: what lies on disk becomes a `Volume`. The doors are `read.py` and `inspect.py`."""
