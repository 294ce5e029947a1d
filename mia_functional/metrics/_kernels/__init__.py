"""Loops behind the metrics, on the host and in JAX."""
