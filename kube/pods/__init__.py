"""The registrar's watch of pods: which DNS names each may have, and whose certificates end with it."""
