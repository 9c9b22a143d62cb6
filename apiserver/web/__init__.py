"""The HTTP edge: one pipeline for every request, and a handler for each verb."""
