"""Kinds are data: what the API serves, read from CustomResourceDefinition manifests."""
