"""What the cluster is told to trust: the authority's roots, where they are published, and when everybody has them."""
