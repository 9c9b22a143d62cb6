"""docs/migrate.md: from each old authority, by the page's own commands, to a server under whose bundle old and new are believed."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509 import load_pem_x509_certificate

from tests.docs.authorities import present_authority
from tests.docs.old_worlds import cfssl, sec1, secret, step_ca
from tests.docs.pages import DOCUMENTATION, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a dozen processes, one after another

PAGE = Page.read("migrate.md")
BRING_ROOT, BRING_ENCRYPTED = "Bring the root", "Encrypted keys"
CARRIED = "chancery-carried"
BOTH_BELIEVED = ["old.pem: OK", "new/tls.crt: OK"]


def run_both(desk):
    """Starts the server and has openssl judge, by the page."""
    with desk.serving():
        shown = desk.run(*PAGE.shell("Run both")).stdout.splitlines()
    assert [line for line in shown if line.endswith("OK")] == BOTH_BELIEVED


def write_old_leaf(desk, issuer):
    leaf = present_authority("old.example.com", issuer=issuer, is_ca=False)
    (desk.directory / "old.pem").write_bytes(leaf.chain_pem)


# cfssl


def test_a_root_of_cfssl_is_brought(desk):
    cfssl(desk)
    assert "BEGIN EC PRIVATE KEY" in (desk.directory / "root-key.pem").read_text()

    desk.run(*PAGE.shell("From cfssl"), *PAGE.shell(BRING_ROOT))

    run_both(desk)


def test_an_issuing_ca_is_signed_by_a_root_that_stays_where_it_is(desk):
    cfssl(desk)
    desk.run("cp root-key.pem root.key")
    where_the_root_is, here = PAGE.shell("Bring an issuing CA")

    desk.run(where_the_root_is, "rm root.key root-key.pem", here)

    run_both(desk)


# step-ca


def test_a_root_of_step_is_brought_with_its_encrypted_key(desk):
    copy, *_ = PAGE.shell("From step-ca")
    with step_ca(desk):
        desk.run(copy)
        assert "ENCRYPTED" in (desk.directory / "root.key").read_text()

        desk.run(*PAGE.shell(BRING_ENCRYPTED))

        run_both(desk)


def test_step_makes_an_issuing_ca_that_is_brought(desk):
    _, make, _ = PAGE.shell("From step-ca")
    with step_ca(desk):
        desk.run(make, PAGE.shell("Bring an issuing CA")[1])

        run_both(desk)


def test_a_jwk_of_step_is_made_pem(desk):
    *_, convert = PAGE.shell("From step-ca")
    with step_ca(desk):
        desk.run("step crypto jwk create public.json key.json --kty EC --crv P-256 --password-file password")
        desk.run("cp .step/certs/root_ca.crt root.pem")
        refused = desk.run(
            "ca-cli init --root-cert root.pem --root-key key.json --root-key-passphrase-file password", check=False
        )
        desk.run(convert)

    assert refused.returncode == 6
    assert (desk.directory / "root.key").read_text().startswith("-----BEGIN PRIVATE KEY-----")


# cert-manager


@pytest.fixture
def kubectl(desk, control_plane):
    desk.give("kubectl", control_plane.kubectl_command())
    return control_plane


@pytest.mark.kubernetes
def test_the_secret_of_a_ca_issuer_is_brought(desk, kubectl):
    root = present_authority("cert-manager root")
    write_old_leaf(desk, root)
    secret(
        kubectl,
        "cert-manager",
        "ca-key-pair",
        "kubernetes.io/tls",
        ca_crt=root.chain_pem,
        tls_crt=root.chain_pem,
        tls_key=sec1(root.private_key),
    )
    of_the_root, _ = PAGE.shell("From cert-manager")

    desk.run(of_the_root, *PAGE.shell(BRING_ROOT))

    run_both(desk)


@pytest.mark.kubernetes
def test_an_issuing_ca_that_cert_manager_made_is_brought(desk, kubectl):
    root = present_authority("cert-manager root")
    write_old_leaf(desk, root)
    issuer = present_authority("Chancery Issuing CA", issuer=root)
    secret(
        kubectl,
        "cert-manager",
        "chancery-issuer",
        "kubernetes.io/tls",
        ca_crt=root.chain_pem,
        tls_crt=issuer.chain_pem.replace(root.chain_pem, b""),
        tls_key=sec1(issuer.private_key),
    )
    _, of_the_issuer = PAGE.shell("From cert-manager")

    desk.run(of_the_issuer, PAGE.shell("Bring an issuing CA")[1])

    run_both(desk)


# Dapr Sentry


@pytest.mark.kubernetes
def test_the_issuing_ca_of_sentry_is_brought(desk, kubectl):
    root = present_authority("cluster.local")
    issuer = present_authority("dapr-sentry", issuer=root)
    write_old_leaf(desk, issuer)
    secret(
        kubectl,
        "dapr-system",
        "dapr-trust-bundle",
        "Opaque",
        ca_crt=root.chain_pem,
        issuer_crt=issuer.chain_pem.replace(root.chain_pem, b""),
        issuer_key=issuer.key_pem,
    )

    desk.run(*PAGE.shell("From Dapr Sentry"), PAGE.shell("Bring an issuing CA")[1])

    run_both(desk)


def test_an_issuing_ca_with_the_kind_of_key_that_sentry_makes_by_now_is_brought(desk):
    desk.run(
        "openssl genpkey -algorithm ed25519 -out issuer.key",
        "openssl req -new -key issuer.key -subj '/O=spiffe:\\/\\/cluster.local\\/ns\\/dapr-system\\/dapr-sentry' -out issuer.csr",
        "printf 'keyUsage=critical,digitalSignature,keyCertSign,cRLSign\\nbasicConstraints=critical,CA:TRUE\\n' > issuer.cnf",
        "printf 'subjectKeyIdentifier=hash\\nauthorityKeyIdentifier=keyid\\n' >> issuer.cnf",
    )
    root = present_authority("cluster.local")
    (desk.directory / "root.pem").write_bytes(root.chain_pem)
    (desk.directory / "root.key").write_bytes(root.key_pem)
    write_old_leaf(desk, root)
    desk.run(
        "openssl x509 -req -in issuer.csr -CA root.pem -CAkey root.key -CAcreateserial"
        " -days 365 -extfile issuer.cnf -out issuer.pem"
    )
    issuer = load_pem_x509_certificate((desk.directory / "issuer.pem").read_bytes())
    assert isinstance(issuer.public_key(), ed25519.Ed25519PublicKey)

    desk.run(PAGE.shell("Bring an issuing CA")[1])

    run_both(desk)


# Another root


def test_with_a_new_root_both_are_believed_under_both_roots(desk):
    old = present_authority("Old Root")
    (desk.directory / "old-root.pem").write_bytes(old.chain_pem)
    write_old_leaf(desk, old)

    desk.run(*PAGE.shell("Begin with a new root"))

    with desk.serving():
        commands = PAGE.shell("Run both")[0].replace("-CAfile bundle.pem", "-CAfile both-roots.pem")
        shown = desk.run(commands).stdout.splitlines()
        alone = desk.run("openssl verify -CAfile bundle.pem old.pem", check=False)
    assert [line for line in shown if line.endswith("OK")] == BOTH_BELIEVED
    assert alone.returncode != 0, "then one root would do"


def test_a_root_of_another_length_is_replaced_at_last(desk):
    root = present_authority("Old Root", path_length=1)
    (desk.directory / "root.pem").write_bytes(root.chain_pem)
    (desk.directory / "root.key").write_bytes(root.key_pem)
    desk.run(*PAGE.shell(BRING_ROOT))

    with desk.serving():
        shown = desk.run(*PAGE.shell("Retire the old one")).stdout
        roots = desk.run("ca-cli trust --fingerprint-only").stdout.split()

    assert "publishing" in shown
    assert len(roots) == 2
    assert "no cross-certificate bridges this rotation" in desk.log


# In a cluster


@pytest.fixture
def claimed(kubectl):
    """Namespaces and the account that a controller manager would make; nothing of the page's is left behind."""
    for name in (CARRIED, "chancery"):
        kubectl.kubectl("create", "namespace", name, check=False)
        kubectl.kubectl("create", "serviceaccount", "default", f"--namespace={name}", check=False)
    kubectl.kubectl("delete", "secret", "--all", f"--namespace={CARRIED}")
    yield kubectl
    kubectl.kubectl("delete", "pod", "chancery-repair", "--namespace=chancery", "--force", "--ignore-not-found")
    kubectl.kubectl("delete", "pvc", "--all", "--namespace=chancery", "--wait=false")


@pytest.mark.kubernetes
def test_an_authority_that_was_carried_into_a_cluster_is_adopted_by_its_first_start_there(desk, claimed):
    root = present_authority("Own Root")
    for name, content in (("root.pem", root.chain_pem), ("root.key", root.key_pem), ("backup-passphrase", b"secret\n")):
        (desk.directory / name).write_bytes(content)
    (desk.directory / "docs").symlink_to(DOCUMENTATION)
    carry, claim = (block.replace("namespace chancery", f"namespace {CARRIED}") for block in PAGE.shell("In a cluster"))

    desk.run(*PAGE.shell(BRING_ROOT), carry.replace(f"kubectl create namespace {CARRIED}\n", ""), claim)
    mounted = "mv .chancery/ca away; cp away/passphrase mounted"  # as the pod that waits has the Secret
    desk.run(
        mounted,
        "ca-cli restore authority.backup --backup-passphrase-file backup-passphrase",
        CHANCERY_PASSPHRASE_FILE="mounted",
    )
    desk.variables |= {
        "CHANCERY_KUBERNETES_KUBECONFIG": str(claimed.admin_kubeconfig),
        "CHANCERY_KUBERNETES_NAMESPACE": CARRIED,
        "CHANCERY_KUBERNETES_PASSPHRASE_SECRET": "chancery-ca-passphrase",
        "CHANCERY_KUBERNETES_ROOTS_SECRET": "chancery-ca-roots",
    }
    with desk.serving():
        desk.run("ca-cli sign --cn new.example.com --dns new.example.com --out new")

    published = ("get", "secret", "chancery-ca-roots", f"--namespace={CARRIED}", "-o", "jsonpath={.data.ca\\.crt}")
    assert base64.b64decode(claimed.kubectl(*published).stdout) == root.chain_pem


# The page


def test_every_section_with_commands_is_run():
    assert PAGE.sections() == {
        "From cert-manager",
        "From step-ca",
        "From cfssl",
        "From Dapr Sentry",
        BRING_ROOT,
        BRING_ENCRYPTED,
        "Bring an issuing CA",
        "Begin with a new root",
        "In a cluster",
        "Run both",
        "Retire the old one",
    }
