"""Structural schemas: what a kind's fields may be (CustomResourceDefinition, apiextensions.k8s.io/v1)."""
