"""Resources of the core group that more than one controller looks at."""

from kube.collections import Resource

PODS = Resource(version="v1", plural="pods")
SERVICES = Resource(version="v1", plural="services")
SERVICE_ACCOUNTS = Resource(version="v1", plural="serviceaccounts")
NAMESPACES = Resource(version="v1", plural="namespaces", namespaced=False)
NODES = Resource(version="v1", plural="nodes", namespaced=False)
