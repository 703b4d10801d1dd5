"""The node's HTTP side: STOW-RS, a REST interface for studies and jobs, health and metrics."""
