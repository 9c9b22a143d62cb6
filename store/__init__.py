"""What the authority remembers: engines, transactions and the records kept in them."""
