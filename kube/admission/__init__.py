"""The injector: an admission webhook that puts an identity into pods. An AdmissionReview in, a JSON patch out."""
