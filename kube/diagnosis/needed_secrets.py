"""Secrets that workloads cannot start without, by their names alone: what is in them is never read."""

from collections.abc import Iterator, Sequence

from kube.diagnosis.findings import Cause, Finding, problem, warning
from kube.diagnosis.workloads import variable_of
from kube.documents import JsonObject, mapping, name_of, namespace_of, objects, text

_PASSPHRASE = "CHANCERY_KUBERNETES_PASSPHRASE_SECRET"  # noqa: S105 - the name of a variable


def judge_needed_secrets(workloads: Sequence[JsonObject], there: frozenset[str], *, roots: str) -> Iterator[Finding]:
    """`there` are the names of the Secrets of the namespace; `roots` is that of the one that is looked at by itself."""
    missing: dict[str, list[str]] = {}
    for workload in workloads:
        for name in sorted(set(_needed(workload)) - there - {roots}):
            missing.setdefault(name, []).append(f"{text(workload, 'kind')}/{name_of(workload)}")
    passphrases = {variable_of(one, _PASSPHRASE) for one in workloads}
    for name, users in sorted(missing.items()):
        where = next(namespace_of(one) for one in workloads if name in _needed(one))
        back = f"kubectl --namespace {where} create secret generic {name} --from-file=passphrase=FILE"
        if name in passphrases and _is_any_ready(workloads, name):
            yield problem(
                f"Secret/{name}",
                Cause.SECRET_MISSING,
                "there is none, and it held the passphrase of the CA keys: the authority does not start again without it",
                f"put it back before the authority is stopped: {back}",
            )
        elif name in passphrases and roots in there:
            yield problem(
                f"Secret/{name}",
                Cause.SECRET_MISSING,
                "there is none, and it held the passphrase of the CA keys: the authority does not start without it",
                f"put your copy back, and it starts by itself: {back}; where there is none: docs/recover.md#the-passphrase-is-lost",
            )
        elif name in passphrases:
            yield warning(
                f"Secret/{name}",
                Cause.SECRET_MISSING,
                "there is none, nor one of the roots: the authority makes both when it starts for the first time",
                f"see what its pod waits for; if it ever ran, the Secret held the passphrase of the CA keys: put it back, {back}",
            )
        else:
            yield problem(
                f"Secret/{name}",
                Cause.SECRET_MISSING,
                f"there is none: pods of {', '.join(users)} do not start without it",
                f"make it in namespace {where}, or name another in the values that name it (existingSecret, volumes, env)",
            )


def _is_any_ready(workloads: Sequence[JsonObject], passphrase: str) -> bool:
    """An authority that runs has its keys open."""
    users = [one for one in workloads if variable_of(one, _PASSPHRASE) == passphrase]
    return any(mapping(one, "status").get("readyReplicas") for one in users)


def _needed(workload: JsonObject) -> Iterator[str]:
    if name := variable_of(workload, _PASSPHRASE):
        yield name
    for volume in objects(workload, "spec", "template", "spec", "volumes"):
        secret = mapping(volume, "secret")
        if text(secret, "secretName") and secret.get("optional") is not True:
            yield text(secret, "secretName")
        for source in objects(volume, "projected", "sources"):
            if text(source, "secret", "name") and mapping(source, "secret").get("optional") is not True:
                yield text(source, "secret", "name")
    for kind in ("initContainers", "containers"):
        for container in objects(workload, "spec", "template", "spec", kind):
            for variable in objects(container, "env"):
                key = mapping(variable, "valueFrom", "secretKeyRef")
                if text(key, "name") and key.get("optional") is not True:
                    yield text(key, "name")
