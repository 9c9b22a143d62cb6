"""What can be done to objects: create, read, update, patch, apply, delete."""
