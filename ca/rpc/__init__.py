"""The gRPC edge: wire messages become domain values here, and domain errors become statuses."""
