"""The node that takes studies from scanners and archives, analyzes them and sends results back."""
