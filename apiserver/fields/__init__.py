"""Who manages which field: server-side apply and managedFields."""
