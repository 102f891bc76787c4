"""Runs on the nodes of real clusters, started on this machine: ``make test-cluster``."""
