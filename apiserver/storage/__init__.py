"""The change log: every version of every object, and the order in which they came to be."""
