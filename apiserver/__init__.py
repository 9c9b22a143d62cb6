"""The storage API. Imports store, agent and certs, never ca."""
