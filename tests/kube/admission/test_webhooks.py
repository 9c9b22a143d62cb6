"""The webhook configurations as data."""

from kube.admission.webhooks import Webhooks

WEBHOOKS = Webhooks(namespace="chancery")


def test_each_configuration_has_one_webhook_the_registrars_label_and_no_ca_bundle():
    for document in WEBHOOKS.documents():
        (webhook,) = document["webhooks"]
        assert document["metadata"]["labels"] == {"chancery.dev/inject": "true"}
        assert webhook["clientConfig"] == {
            "service": {"namespace": "chancery", "name": "chancery-injector", "path": "/mutate", "port": 443}
        }
        assert (webhook["sideEffects"], webhook["matchPolicy"], webhook["reinvocationPolicy"]) == (
            "None",
            "Equivalent",
            "IfNeeded",
        )
        assert webhook["timeoutSeconds"] <= 5


def test_no_pod_is_asked_about_twice():
    pods, namespaces = (document["webhooks"][0] for document in WEBHOOKS.documents())

    assert pods["objectSelector"] == {"matchLabels": {"chancery.dev/inject": "true"}}
    assert namespaces["objectSelector"]["matchExpressions"][0]["operator"] == "NotIn"
    assert "true" in namespaces["objectSelector"]["matchExpressions"][0]["values"]


def test_own_namespace_and_the_clusters_are_never_asked_about():
    for document in WEBHOOKS.documents():
        (expression,) = document["webhooks"][0]["namespaceSelector"]["matchExpressions"]
        assert (expression["operator"], expression["values"]) == ("NotIn", ["kube-system", "chancery"])


def test_pods_of_the_hosts_network_are_asked_about_where_they_may_be_injected():
    def conditions(webhooks):
        return [condition["name"] for condition in webhooks.documents()[1]["webhooks"][0]["matchConditions"]]

    assert "not-of-the-hosts-network" in conditions(WEBHOOKS)
    assert "not-of-the-hosts-network" not in conditions(Webhooks(namespace="chancery", host_network=True))
