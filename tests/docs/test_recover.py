"""docs/recover.md: each way out is walked, with the page's own commands, on a real server, and openssl says where it led."""

import json
import shutil
import time
from datetime import timedelta

import pytest
import yaml

from tests.docs.authorities import present_authority
from tests.docs.pages import DOCUMENTATION, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a dozen processes, one after another

PAGE = Page.read("recover.md")
EXPIRED = timedelta(minutes=5)  # what has less left than the shortest lifetime of a leaf signs nothing any more
_SECONDS = 60


def sign(desk, name="web", **more):
    desk.run(f"ca-cli sign --cn {name}.example.com --dns {name}.example.com --out {name} --force -o name", **more)


def verifies(desk, leaf, roots):
    done = desk.run(f"openssl verify -x509_strict -CAfile {roots} -untrusted {leaf} {leaf}", check=False)
    return done.returncode == 0


def await_success(desk, *commands):
    deadline = time.monotonic() + _SECONDS
    while (done := desk.run(*commands, check=False)).returncode:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)
    return done


def keep(desk):
    """A backup, and its passphrase."""
    desk.run("mkdir -p kept backups", "echo of-the-backup > kept/backup-passphrase")
    desk.run("ca-cli backup ~/backups/ca --backup-passphrase-file ~/kept/backup-passphrase")


# The passphrase


def test_a_passphrase_that_was_copied_is_put_back(desk):
    desk.run("ca-cli init", "mkdir kept", "mv .chancery/ca/passphrase kept/passphrase")
    with desk.launched() as server:
        assert server.wait(_SECONDS) == 7
    assert "passphrase" in desk.log

    desk.run(*PAGE.shell("Somebody has a copy"))

    with desk.serving():
        sign(desk)


def test_a_server_that_runs_goes_on_without_its_passphrase_file(desk):
    desk.run("ca-cli init")
    with desk.serving():
        desk.run("rm .chancery/ca/passphrase")

        sign(desk)


def test_a_passphrase_that_is_in_a_backup_is_taken_from_it_and_nothing_else(desk):
    desk.run("ca-cli init")
    keep(desk)
    with desk.serving():
        sign(desk)  # after the backup
    desk.run("rm .chancery/ca/passphrase")

    desk.run(*PAGE.shell("A backup holds it"))

    with desk.serving():
        assert "web.example.com" in desk.run("ca-cli list").stdout
    assert not (desk.directory / "restored").exists()


def test_without_any_passphrase_a_new_authority_stands_beside_the_old_roots(desk):
    desk.run("ca-cli init")
    with desk.serving():
        sign(desk, "old")
    desk.run("rm .chancery/ca/passphrase")

    desk.run(*PAGE.shell("Nobody has it"))

    with desk.serving():
        sign(desk, "new")
    assert [verifies(desk, f"{leaf}/tls.crt", "both-roots.pem") for leaf in ("old", "new")] == [True, True]
    assert not verifies(desk, "old/tls.crt", ".chancery/identity/ca.crt")


# The volume


def test_a_lost_volume_is_restored_and_what_came_after_the_backup_is_replaced(desk):
    desk.run("ca-cli init")
    with desk.serving():
        sign(desk, "before")
        keep(desk)
        sign(desk, "after")
    shutil.rmtree(desk.home / "ca")
    restore, in_the_cluster, look_and_replace = PAGE.shell("The volume is lost")
    assert "kubectl" in in_the_cluster

    desk.run(restore)

    with desk.serving():
        shown = desk.run(look_and_replace).stdout
        assert "before.example.com" in shown
        assert "after.example.com" not in shown
        replaced = json.loads(desk.run("ca-cli rotate issuer --status -o json").stdout)
        assert replaced["rotation"]["haste"] == "now"
        assert verifies(desk, "after/tls.crt", ".chancery/identity/ca.crt")


# Expired


def bring(desk, root, issuer, *, with_root_key):
    for name, pair in (("root", root), ("issuer", issuer)):
        (desk.directory / f"{name}.pem").write_bytes(pair.chain_pem.partition(b"-----END CERTIFICATE-----\n")[0])
        with (desk.directory / f"{name}.pem").open("ab") as file:
            file.write(b"-----END CERTIFICATE-----\n")
        (desk.directory / f"{name}.key").write_bytes(pair.key_pem)
    key = "--root-key root.key" if with_root_key else ""
    desk.run(f"ca-cli init --root-cert root.pem {key} --issuer-cert issuer.pem --issuer-key issuer.key")


def await_expiry(pair):
    end = pair.certificate.not_valid_after_utc.timestamp() - EXPIRED.total_seconds()
    time.sleep(max(0, end - time.time()) + 1)


def bring_what_expires(desk, *, root_too=False, with_root_key=True):
    """Waits until it has. A machine that is too busy to make an authority in time is given more of it."""
    for seconds in (15, 60):
        left = EXPIRED + timedelta(seconds=seconds)
        root = present_authority("Own Root", **({"left": left} if root_too else {}))
        issuer = present_authority("Own Issuer", issuer=root, path_length=0, left=left)
        try:
            bring(desk, root, issuer, with_root_key=with_root_key)
        except AssertionError:
            if seconds == 60:
                raise
            shutil.rmtree(desk.home, ignore_errors=True)
        else:
            await_expiry(issuer)
            return


def test_an_issuing_ca_that_expired_is_replaced_by_the_server_that_has_the_root(desk):
    bring_what_expires(desk)

    with desk.serving():
        desk.run(*PAGE.shell("And the root's key is here"))
        sign(desk)

    assert verifies(desk, "web/tls.crt", "root.pem")


def test_an_issuing_ca_that_expired_is_replaced_where_the_root_is_elsewhere(desk):
    bring_what_expires(desk, with_root_key=False)
    with desk.launched() as server:
        assert server.wait(_SECONDS) == 7
    assert "the key of the root is not here" in desk.log

    desk.run(*PAGE.shell("And the root's key is elsewhere"))

    with desk.serving():
        desk.run("ca-cli init --new-administrator --force")
        sign(desk)
    assert verifies(desk, "web/tls.crt", "root.pem")


def test_a_root_that_expired_is_replaced_and_the_new_one_is_known_by_its_fingerprint(desk):
    bring_what_expires(desk, root_too=True)
    here, there = PAGE.shell("The root has expired")

    with desk.serving():
        fingerprints = desk.run(here).stdout.split()
        desk.run(there, FINGERPRINT=fingerprints[-1])
        sign(desk)

    assert verifies(desk, "web/tls.crt", "roots.pem")
    assert not verifies(desk, "web/tls.crt", "root.pem")


# Stolen


def test_a_stolen_leaf_is_revoked_with_all_of_its_name_and_ocsp_says_so(desk):
    desk.run("ca-cli init")
    ocsp = f"http://localhost:{desk.variables['CHANCERY_REVOCATION_PORT']}/ocsp"
    with desk.serving():
        sign(desk)
        sign(desk, "other")
        desk.run(*PAGE.shell("Of a server, client or workload"))
        desk.run("awk '/BEGIN/{n++} n==2' web/tls.crt > issuer.pem")
        answers = [
            desk.run(
                f"openssl ocsp -issuer issuer.pem -cert {leaf}/tls.crt -url {ocsp} -CAfile web/ca.crt -verify_other issuer.pem"
            ).stdout
            for leaf in ("web", "other")
        ]

    assert ": revoked" in answers[0]
    assert ": good" in answers[1]


def test_a_stolen_administrator_is_locked_out_and_what_it_did_is_seen(desk):
    desk.run("ca-cli init")
    with desk.serving():
        sign(desk, "theft")
        seen = desk.run(*PAGE.shell("Of an administrator")).stdout
        refused = desk.run("ca-cli status", check=False)

    assert "theft.example.com" in seen
    assert refused.returncode == 4
    assert "revoked" in refused.stderr


def test_a_stolen_issuing_ca_is_believed_until_the_root_is_replaced(desk):
    root = present_authority("Own Root")
    issuer = present_authority("Stolen Issuer", issuer=root, path_length=0)
    bring(desk, root, issuer, with_root_key=True)
    stolen = present_authority("Thief", issuer=issuer, is_ca=False)
    (desk.directory / "thief.pem").write_bytes(stolen.chain_pem)
    replace, anew = PAGE.shell("Of the issuing CA")
    token, enroll = PAGE.shell("Enrolling anew")

    with desk.serving():
        desk.run("ca-cli rotate issuer --emergency --yes --no-wait")
        await_success(desk, "ca-cli init --new-administrator --force", "ca-cli rotate issuer --status --wait")
        assert verifies(desk, "thief.pem", ".chancery/identity/ca.crt"), "then the page may be milder"

        desk.run(replace)
        await_success(desk, anew)
        desk.run(token, "cp .chancery/identity/ca.crt roots.pem", enroll)

    assert verifies(desk, "web/tls.crt", "roots.pem")
    assert not verifies(desk, "thief.pem", "roots.pem")


# The page


@pytest.mark.kubernetes
def test_the_pod_that_waits_is_taken_by_a_cluster_even_where_pods_are_restricted(control_plane):
    (apply,) = [line for line in PAGE.shell("")[0].splitlines() if " apply " in line]
    pod = yaml.safe_load((DOCUMENTATION.parent / apply.split()[-1]).read_text())
    control_plane.kubectl("create", "namespace", "chancery", check=False)
    restricted = "pod-security.kubernetes.io/warn=restricted"
    control_plane.kubectl("label", "--overwrite", "namespace", "chancery", restricted)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "chancery"}}
    control_plane.kubectl("create", "-f", "-", document=account, check=False)

    made = control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", document=pod)

    assert "chancery-repair created" in made.stdout
    assert made.stderr == ""


IN_A_CLUSTER = {"Somebody has a copy, and it is in a cluster", "Nobody has it, in a cluster"}


def in_the_cluster():
    return [
        line
        for section in ("", *IN_A_CLUSTER, "The volume is lost")
        for line in "\n".join(PAGE.shell(section)).splitlines()
    ]


def test_what_commands_name_in_a_cluster_is_what_the_chart_makes():
    """Of the example, which is the chart with its defaults."""
    example = (DOCUMENTATION / "examples" / "chancery.yaml").read_text()
    (authority,) = [
        each
        for each in yaml.safe_load_all(example)
        if each["kind"] == "StatefulSet" and each["metadata"]["name"].endswith("-ca")
    ]
    variables = {
        each["name"]: each.get("value") for each in authority["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    name, (claim,) = authority["metadata"]["name"], authority["spec"]["volumeClaimTemplates"]
    made = {
        "statefulset": {name},
        "secret": {variables["CHANCERY_KUBERNETES_PASSPHRASE_SECRET"], variables["CHANCERY_KUBERNETES_ROOTS_SECRET"]},
        "persistentvolumeclaim": {f"{claim['metadata']['name']}-{name}-0"},
    }

    named = {
        (kind, word)
        for line in in_the_cluster()
        for kind in made
        if f" {kind} " in line
        for word in line.partition(f" {kind} ")[2].split()
        if word.startswith(("chancery", "data-"))
    }
    assert {kind for kind, _ in named} == set(made)
    assert [(kind, word) for kind, word in named if word not in made[kind]] == []


@pytest.mark.kubernetes
def test_the_claim_that_is_made_anew_is_the_one_that_the_chart_would_make(control_plane):
    block = PAGE.shell("The volume is lost")[1]
    claim = yaml.safe_load(block.partition("<<END\n")[2].partition("\nEND\n")[0])
    example = yaml.safe_load_all((DOCUMENTATION / "examples" / "chancery.yaml").read_text())
    (template,) = [
        each["spec"]["volumeClaimTemplates"][0]
        for each in example
        if each["kind"] == "StatefulSet" and each["metadata"]["name"].endswith("-ca")
    ]
    control_plane.kubectl("create", "namespace", "recovered")
    claim["metadata"]["namespace"] = "recovered"  # the page's may be on its way out, with a claim of that name

    made = control_plane.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", document=claim)

    assert "data-chancery-ca-0 created" in made.stdout
    assert (claim["spec"], claim["metadata"]["labels"]) == (template["spec"], template["metadata"]["labels"])


def test_every_block_of_the_page_is_run():
    in_a_cluster = {"", *IN_A_CLUSTER}
    walked = {
        "Somebody has a copy",
        "A backup holds it",
        "Nobody has it",
        "The volume is lost",
        "And the root's key is here",
        "And the root's key is elsewhere",
        "The root has expired",
        "Of a server, client or workload",
        "Of an administrator",
        "Of the issuing CA",
        "Enrolling anew",
    }

    assert PAGE.sections() == walked | in_a_cluster
