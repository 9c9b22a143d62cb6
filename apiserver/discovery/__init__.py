"""Discovery: which groups, versions and resources there are."""
