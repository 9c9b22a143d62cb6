"""What each cause looks like from outside, and that it is named: targets that the API server calls."""

import base64

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from kube.diagnosis.api_services import word_of
from kube.diagnosis.bundles import Bundle
from kube.diagnosis.calls import fault_of_call
from kube.diagnosis.findings import Cause, Severity
from kube.diagnosis.reaching import Miss, Missed, Observation, Word, judge_target
from kube.diagnosis.targets import ServicePort, targets_of
from tests.kube.diagnosis.made import DAY, HOST, NOW, Root, backing, webhook_target

ROOT, OTHER = Root(), Root(name="other")
SERVED = ROOT.served()
GOOD = {"target": webhook_target(ROOT.base64), "backing": backing(), "dialled": SERVED}
SILENT = Missed(miss=Miss.SILENT, detail="timed out")
TIMEOUT = 'failed calling webhook "a": failed to call webhook: Post "https://hook.shop.svc/": context deadline exceeded'


def judge(**changed):
    return judge_target(Observation(**{**GOOD, **changed}), ROOT.bundle, at=NOW)


def garbage(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize(
    ("changed", "cause", "words", "advice"),
    [
        ({"target": webhook_target(None)}, Cause.CA_BUNDLE_EMPTY, "empty", "chancery.dev/inject=true"),
        ({"target": webhook_target("")}, Cause.CA_BUNDLE_EMPTY, "empty", "registrar"),
        ({"target": webhook_target(garbage(b"garbage"))}, Cause.CA_BUNDLE_GARBAGE, "not certificates", "registrar"),
        ({"target": webhook_target("!")}, Cause.CA_BUNDLE_GARBAGE, "no base64", "registrar"),
        ({"target": webhook_target({"no": "text"})}, Cause.CA_BUNDLE_GARBAGE, "no text", "registrar"),
        (
            {"target": webhook_target(OTHER.base64), "dialled": None},
            Cause.CA_BUNDLE_FOREIGN,
            "another authority's: CN=other",
            "cainjector",
        ),
        ({"dialled": OTHER.served()}, Cause.CA_BUNDLE_FOREIGN, "issued by CN=other", "somebody else's"),
        ({"dialled": ROOT.served("other.shop.svc")}, Cause.CERTIFICATE_NAME, f"not for {HOST}", HOST),
        ({"dialled": ROOT.served(ends=NOW - DAY / 48)}, Cause.CERTIFICATE_EXPIRED, "expired", "log"),
        ({"dialled": ROOT.served(begins=NOW + DAY / 24)}, Cause.CERTIFICATE_NOT_YET_VALID, "not valid yet", "clock"),
        ({"dialled": ROOT.served(usage=False)}, Cause.CERTIFICATE_UNSUITABLE, "not for a TLS server", "profile server"),
        ({"backing": backing(is_there=False)}, Cause.SERVICE_MISSING, "no Service shop/hook", "kubectl delete"),
        (
            {"backing": backing(ready=0, unready=1)},
            Cause.ENDPOINTS_MISSING,
            "1 not ready; what it is asked",
            "workload",
        ),
        ({"backing": backing(ready=0)}, Cause.ENDPOINTS_MISSING, "none at all", "selector"),
        ({"word": Word(holds=False, message=TIMEOUT)}, Cause.PORT_UNREACHABLE, "though it answers from here", "8443"),
        (
            {"word": Word(holds=False, message=TIMEOUT), "dialled": SILENT},
            Cause.PORT_UNREACHABLE,
            "deadline",
            "injector.hostNetwork",
        ),
        (
            {"dialled": Missed(miss=Miss.REFUSED, detail="connection refused")},
            Cause.PORT_UNREACHABLE,
            "refuses",
            "targetPort",
        ),
        ({"dialled": Missed(miss=Miss.NO_TLS, detail="wrong version")}, Cause.TLS_MISSING, "not by TLS", "port"),
        ({"word": Word(holds=False, message="boom")}, Cause.WEBHOOK_FAILS, "boom", "log"),
    ],
)
def test_cause_is_named_with_what_to_do(changed, cause, words, advice):
    found = {one.cause: one for one in judge(**changed)}

    assert found[cause].severity is Severity.PROBLEM
    assert words in found[cause].summary
    assert advice in found[cause].hint
    assert found[cause].runbook == f"docs/runbooks.md#{cause}"


def test_good_target_has_one_finding_that_says_by_whom_and_how_long():
    (finding,) = judge()

    assert finding.severity is Severity.OK
    assert finding.summary == f"{HOST}:443, by CN=root, until 2026-11-30T12:00:00Z"


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"dialled": ROOT.served(begins=NOW - 21 * DAY / 24, ends=NOW + 3 * DAY / 24)}, Cause.CERTIFICATE_EXPIRES),
        ({"target": webhook_target(ROOT.base64, skips_verification=True)}, Cause.CA_BUNDLE_EMPTY),
    ],
)
def test_what_is_not_yet_bad_is_a_warning(changed, cause):
    (finding,) = judge(**changed)

    assert (finding.severity, finding.cause) == (Severity.WARNING, cause)


@pytest.mark.parametrize(("days", "severity"), [(-1, Severity.PROBLEM), (29, Severity.WARNING), (31, Severity.OK)])
def test_roots_of_a_bundle_are_told_before_they_end(days, severity):
    ending = Root(ends=NOW + days * DAY + DAY / 24 if days > 0 else NOW - DAY / 24)
    found = judge_target(Observation(target=webhook_target(ending.base64), backing=backing()), ending.bundle, at=NOW)

    assert [one.severity for one in found] == [severity]


def test_old_root_that_is_left_in_a_bundle_for_a_while_is_nothing_to_tell():
    both = garbage(Root(ends=NOW + DAY).pem + ROOT.pem)
    bundle = Bundle.from_base64(both)
    (finding,) = judge_target(Observation(target=webhook_target(both), dialled=SERVED), bundle, at=NOW)

    assert finding.severity is Severity.OK


def test_bundle_that_lags_in_a_rotation_is_a_warning():
    both = Bundle(certificates=(ROOT.certificate, OTHER.certificate))
    (finding,) = judge_target(Observation(**GOOD), both, at=NOW)

    assert (finding.severity, finding.cause) == (Severity.WARNING, Cause.CA_BUNDLE_STALE)
    assert "1 of the authority's 2 roots" in finding.summary


def test_certificate_of_the_authority_puts_the_blame_on_the_bundle():
    found = judge_target(Observation(**{**GOOD, "target": webhook_target(OTHER.base64)}), ROOT.bundle, at=NOW)

    assert {one.cause for one in found} == {Cause.CA_BUNDLE_FOREIGN}
    assert "the caBundle is what has to change" in found[-1].hint


def test_leaf_that_is_pinned_needs_no_issuer():
    leaf = OTHER.served()
    pinned = webhook_target(garbage(leaf.leaf.public_bytes(Encoding.PEM)), is_ours=False)
    (finding,) = judge_target(Observation(target=pinned, backing=backing(), dialled=leaf), None, at=NOW)

    assert finding.severity is Severity.OK


@pytest.mark.parametrize("miss", [Miss.SILENT, Miss.UNRESOLVED])
def test_what_is_not_reached_from_here_is_no_problem_by_itself(miss):
    (fine, finding) = judge(dialled=Missed(miss=miss, detail="timed out"))

    assert (fine.severity, finding.severity) == (Severity.OK, Severity.SKIPPED)
    assert "helm test" in finding.hint


def test_who_answers_where_no_pod_is_ready_is_not_looked_at():
    findings = judge(backing=backing(ready=0), dialled=OTHER.served())

    assert [one.cause for one in findings] == [Cause.ENDPOINTS_MISSING]


def test_refusal_from_here_counts_less_than_the_api_servers_word():
    refused = Missed(miss=Miss.REFUSED, detail="connection refused")
    found = judge(dialled=refused, word=Word(holds=True))

    assert Severity.PROBLEM not in {one.severity for one in found}


def test_garbage_of_others_is_told_and_their_empty_bundles_are_not():
    assert judge(target=webhook_target(None, is_ours=False))[0].severity is Severity.OK
    assert judge(target=webhook_target("!", is_ours=False))[0].cause is Cause.CA_BUNDLE_GARBAGE


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("x509: certificate signed by unknown authority", Cause.CA_BUNDLE_FOREIGN),
        ("x509: certificate has expired or is not yet valid: current time A is after B", Cause.CERTIFICATE_EXPIRED),
        (
            "x509: certificate has expired or is not yet valid: current time A is before B",
            Cause.CERTIFICATE_NOT_YET_VALID,
        ),
        ("x509: certificate is valid for a.b.svc, not c.d.svc", Cause.CERTIFICATE_NAME),
        ("x509: certificate is not valid for any names, but wanted to match a.b.svc", Cause.CERTIFICATE_NAME),
        ('no endpoints available for service "hook"', Cause.ENDPOINTS_MISSING),
        (
            'MissingEndpoints: endpoints for service/x in "y" have no addresses with port name "https"',
            Cause.ENDPOINTS_MISSING,
        ),
        ('service "hook" not found', Cause.SERVICE_MISSING),
        ('ServiceNotFound: service/x in "y" is not present', Cause.SERVICE_MISSING),
        ("dial tcp 10.0.0.1:8443: i/o timeout", Cause.PORT_UNREACHABLE),
        ("net/http: request canceled (Client.Timeout exceeded while awaiting headers)", Cause.PORT_UNREACHABLE),
        ("dial tcp 127.0.0.1:1: connect: connection refused", Cause.PORT_UNREACHABLE),
        ("bad status from https://10.0.0.1:8443/apis/x/v1: 503", Cause.API_SERVICE_UNAVAILABLE),
        ("", Cause.API_SERVICE_UNAVAILABLE),
    ],
)
def test_api_servers_words_are_understood(message, cause):
    fault = fault_of_call(message, port="8443", values="VALUES", otherwise=Cause.API_SERVICE_UNAVAILABLE)

    assert fault.cause is cause
    assert fault.hint


def api_service(**spec):
    return {
        "metadata": {"name": "v1.shop", "labels": {"chancery.dev/inject": "true"}},
        "spec": {"service": {"namespace": "shop", "name": "things", "port": 8443}, **spec},
        "status": {
            "conditions": [
                {
                    "type": "Available",
                    "status": "False",
                    "reason": "FailedDiscoveryCheck",
                    "message": "failing or missing response from https://10.0.0.1:8443/apis: context deadline exceeded",
                }
            ]
        },
    }


def test_api_service_that_times_out_names_the_values_of_its_server():
    document = api_service(caBundle=ROOT.base64)
    (target,) = targets_of("APIService", document)
    found = judge_target(
        Observation(target=target, backing=backing(), dialled=SILENT, word=word_of(document)), ROOT.bundle, at=NOW
    )
    (finding,) = found

    assert finding.cause is Cause.PORT_UNREACHABLE
    assert "FailedDiscoveryCheck" in finding.summary
    assert "apiserver.hostNetwork=true" in finding.hint
    assert "8443" in finding.hint


def test_targets_are_read_from_each_kind():
    client = {"service": {"namespace": "a", "name": "b"}, "caBundle": "x"}
    crd = {"spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client}}}}
    two = {
        "webhooks": [{"name": "one", "clientConfig": client}, {"name": "two", "clientConfig": {"url": "https://h:9/p"}}]
    }

    (conversion,) = targets_of("CustomResourceDefinition", {"metadata": {"name": "c"}, **crd})
    one, other = targets_of("MutatingWebhookConfiguration", {"metadata": {"name": "m"}, **two})
    (registered,) = targets_of("APIService", api_service())

    assert conversion.service == ServicePort(namespace="a", name="b", port=443)
    assert (one.label, one.server_name) == ("MutatingWebhookConfiguration/m one", "b.a.svc")
    assert (other.address, other.server_name) == ("h:9", "h")
    assert (registered.service.port, registered.is_ours) == (8443, True)


@pytest.mark.parametrize("kind", ["APIService", "CustomResourceDefinition", "ValidatingWebhookConfiguration"])
@pytest.mark.parametrize(
    "document",
    [
        {},
        {"metadata": None, "spec": [], "webhooks": "x"},
        {"spec": {"service": "x", "conversion": {"strategy": "Webhook", "webhook": 3}}, "webhooks": [{}, 3, None]},
        {
            "spec": {"service": {"port": "x", "name": 3}},
            "webhooks": [{"clientConfig": {"url": "https://[", "service": []}}],
        },
        {"webhooks": [{"clientConfig": {"url": "https://h:99999/"}}]},
    ],
)
def test_documents_that_make_no_sense_raise_nothing(kind, document):
    for target in targets_of(kind, document):
        assert judge_target(Observation(target=target, word=word_of(document)), ROOT.bundle, at=NOW)


@pytest.mark.parametrize("conditions", [None, [], [{"type": "Other"}], "x"])
def test_api_service_without_a_condition_has_no_word(conditions):
    assert word_of({"status": {"conditions": conditions}}) is None


@pytest.mark.parametrize(
    ("words", "cause", "advice"),
    [
        ("dial tcp 10.0.0.1:443: connect: connection refused", Cause.PORT_UNREACHABLE, "nothing listens on port 8443"),
        ("EOF", Cause.PORT_UNREACHABLE, "nothing listens on port 8443"),
        ("read: connection reset by peer", Cause.PORT_UNREACHABLE, "nothing listens on port 8443"),
        ("http: server gave HTTP response to HTTPS client", Cause.TLS_MISSING, "targetPort"),
        ("net/http: TLS handshake timeout", Cause.PORT_UNREACHABLE, "Private cluster"),
        (
            "proxy error from 127.0.0.1:8132 while dialing 10.0.0.45:443, code 503: 503",
            Cause.PORT_UNREACHABLE,
            "Private",
        ),
        ("No agent available", Cause.PORT_UNREACHABLE, "Private cluster"),
        ("unable to load root certificates: unable to parse bytes as PEM block", Cause.CA_BUNDLE_GARBAGE, "registrar"),
        ("what nobody knows", Cause.WEBHOOK_FAILS, "log"),
    ],
)
def test_words_of_the_api_server_are_told_from_its_url(words, cause, advice):
    message = f'failed to call webhook: Post "https://hook.shop.svc:443/mutate?timeout=5s": {words}'
    fault = fault_of_call(message, port="8443", values="V", otherwise=Cause.WEBHOOK_FAILS)

    assert fault.cause is cause
    assert advice in fault.hint


def test_end_of_a_root_that_is_another_authoritys_is_nobodys_concern():
    ending = Root(name="other", ends=NOW + DAY)
    found = judge(target=webhook_target(ending.base64), dialled=None)

    assert [one.cause for one in found] == [Cause.CA_BUNDLE_FOREIGN]


@pytest.mark.parametrize(
    ("words", "severity"),
    [("dial tcp: i/o timeout", Severity.SKIPPED), ("dial tcp: connect: connection refused", Severity.PROBLEM)],
)
def test_api_server_need_not_get_to_the_authority(words, severity):
    target = webhook_target(ROOT.base64, kind="Service", name="chancery-ca")
    found = judge(target=target, dialled=SILENT, word=Word(holds=False, message=words))

    assert {one.cause: one.severity for one in found}[Cause.PORT_UNREACHABLE] is severity


def test_refused_connection_is_looked_for_at_the_pod_before_the_firewall():
    refused = fault_of_call("connect: connection refused", port="8443", values="V", otherwise=Cause.WEBHOOK_FAILS)
    silent = fault_of_call("dial tcp: i/o timeout", port="8443", values="V", otherwise=Cause.WEBHOOK_FAILS)

    assert "nothing listens on port 8443" in refused.hint
    assert "Private cluster" in silent.hint
