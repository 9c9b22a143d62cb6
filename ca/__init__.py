"""Who may have what: the authority, its policy, its edges."""
