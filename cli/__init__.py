"""The only entry point: composes every process and alone reads environment, clock and entropy."""
