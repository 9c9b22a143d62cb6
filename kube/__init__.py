"""The registrar in the cluster. Imports ca.client and agent; holds no CA key."""
