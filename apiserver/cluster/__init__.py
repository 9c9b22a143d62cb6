"""The cluster that the server belongs to: asked who may do what, watched for whom to believe and which namespaces there are."""
