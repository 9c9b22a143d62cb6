"""What a certificate is: pure X.509 over bytes and values, with no clock, file, socket or log."""
