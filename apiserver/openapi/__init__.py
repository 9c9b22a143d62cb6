"""OpenAPI documents of the kinds."""
