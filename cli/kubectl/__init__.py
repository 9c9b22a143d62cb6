"""`kubectl chancery`: what an administrator needs day by day, from a workstation that has a kubeconfig and nothing else.

- What the authority knows is asked of `ca-cli` in its own pod, over the API server's `pods/exec`: RBAC says who may, no key leaves
  the pod, and no port of the authority is reached from outside.
- What the cluster knows is asked of the API server, as the person that the kubeconfig says.
"""
