"""What our server says of itself is what kube-apiserver says of the same kinds, but for the order of verbs and the descriptions."""

import json

from tests.apiserver.client import eventually
from tests.apiserver.upstream.playing import API
from tests.servers.kubernetes.fixtures import KUBERNETES

pytestmark = KUBERNETES

GROUP = "upstream.example.com"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_discovery(theirs, ours):
    for path in (f"/apis/{GROUP}", f"/apis/{GROUP}/v1", f"/apis/{GROUP}/v1beta1"):
        assert in_one_order(ours.get(path).document) == in_one_order(theirs.get(path).document)


def test_aggregated_discovery(theirs, ours):
    def of_the_group(client):
        groups = client.get("/apis", headers={"Accept": AGGREGATED}).document["items"]
        return in_one_order([one for one in groups if one["metadata"]["name"] == GROUP])

    assert of_the_group(ours) == of_the_group(theirs) != []


def test_schemas_of_kinds(theirs, ours):
    path = f"/openapi/v3{API}"
    eventually(lambda: theirs.get(path).status == 200, 60)
    told = [client.get(path).document["components"]["schemas"] for client in (ours, theirs)]
    kinds = [name for name in told[1] if name.startswith("com.example.upstream.")]

    assert len(kinds) == 4
    own, real = ({name: without_descriptions(schemas[name]) for name in kinds} for schemas in told)
    assert own == real


def in_one_order(value):
    if isinstance(value, dict):
        return {name: in_one_order(one) for name, one in value.items()}
    return sorted(map(in_one_order, value), key=_text) if isinstance(value, list) else value


def _text(value):
    return json.dumps(value, sort_keys=True)


def without_descriptions(schema):
    """A property may be called so, too; its schema is no text."""
    if isinstance(schema, list):
        return [without_descriptions(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: without_descriptions(one)
        for name, one in schema.items()
        if name != "description" or not isinstance(one, str)
    }
