"""What every server of ours has in common: declared settings and an HTTP listener. Imports certs only."""
