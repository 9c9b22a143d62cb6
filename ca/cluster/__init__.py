"""The Kubernetes cluster whose service accounts may enroll."""
