"""Replacing an issuing CA or a root while everybody goes on talking to everybody (docs/rotation.md)."""
