"""docs/operate.md: what is done each day, each week and before an upgrade, by the page's own commands."""

import pytest

from tests.docs.pages import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a dozen processes, one after another

PAGE = Page.read("operate.md")


@pytest.fixture
def served(desk):
    desk.run("ca-cli init", "mkdir kept backups", "echo of-the-backup > kept/backup-passphrase")
    with desk.serving():
        yield desk


def test_a_sound_authority_is_seen_to_be_sound(served):
    watch, verify, last = PAGE.shell("What to watch")

    seen = served.run(watch).stdout
    verified = served.run(verify).stdout
    kept = served.run(last).stdout

    assert "serving until" in seen
    assert "chancery_ca_expiry_timestamp_seconds{" in seen
    assert "events" in verified
    assert '"chain_hash"' in kept


def test_the_own_identity_is_renewed_when_it_is_due_and_left_alone_otherwise(served):
    (renew,) = PAGE.shell("What renews itself, and what does not")
    serial = "openssl x509 -in .chancery/identity/tls.crt -noout -serial"
    before = served.run(serial).stdout
    served.run(renew)
    assert served.run(serial).stdout == before

    served.run(renew.replace("66%", "100d"))

    assert served.run(serial).stdout != before


def test_a_backup_is_made_while_the_server_runs_and_its_restoration_is_tried(served):
    backup, drill = PAGE.shell("Backup")

    served.run(backup)
    shown = served.run(drill).stdout

    assert "events" in shown
    assert not (served.directory / "drill").exists()


def test_a_policy_is_looked_at_before_it_is_changed(served):
    shown = served.run(*PAGE.shell("Changes")).stdout

    assert "allow" in shown.lower()


def test_every_section_with_commands_is_run():
    walked = {"What renews itself, and what does not", "What to watch", "Backup", "Changes"}

    assert PAGE.sections() == walked
