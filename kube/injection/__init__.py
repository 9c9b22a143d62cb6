"""The trust bundle in whatever lets the API server reach a service: webhooks, API services, conversions of CRDs."""
