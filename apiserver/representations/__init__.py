"""How an object is shown: media types, tables, metadata alone."""
