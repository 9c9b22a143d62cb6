"""The forms of Kubernetes names and UIDs: RFC 1123 labels and subdomains."""

import re

LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN = rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*"
NAMESPACE = re.compile(LABEL, re.ASCII)
NAME = re.compile(SUBDOMAIN, re.ASCII)
UID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
