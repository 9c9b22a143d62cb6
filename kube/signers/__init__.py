"""The cluster's requests for certificates: CertificateSigningRequest, PodCertificateRequest, cert-manager's CertificateRequest.

- What is decided is decided by functions of documents, settings and an instant; controllers fetch, ask and write.
- Of a request nothing but the public key is taken on its word: names are those that the cluster's state, or an approver who has
  the right to approve for the signer, stands for.
"""
