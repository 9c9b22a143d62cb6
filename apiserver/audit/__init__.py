"""Audit: who asked for what, and what became of it (audit.k8s.io/v1)."""
