"""`passphrase change`, `backup` and `restore`, as they are typed."""

import shutil
from pathlib import Path

import pytest

from tests.cli.program import Program


@pytest.fixture
def program(initialised_home: Path, tmp_path: Path) -> Program:
    """An authority of the test's own, not served."""
    shutil.copytree(initialised_home, tmp_path / "home")
    return Program(home=tmp_path / "home", directory=tmp_path, variables={})


def another_administrator(program: Program, name: str, **variables: str) -> int:
    """The status of a command that opens the keys."""
    return program("init", "--new-administrator", "--identity", program.directory / name, **variables).status


def test_passphrase_beside_the_keys_is_changed_where_it_lies(program: Program) -> None:
    path = program.home / "ca" / "passphrase"
    before = path.read_text()

    outcome = program("passphrase", "change")

    assert (outcome.status, outcome.output) == (0, "")
    assert f"written: {path}" in outcome.errors
    assert path.read_text() != before
    assert before.strip() not in outcome.errors
    assert another_administrator(program, "x") == 0


def test_passphrase_that_is_kept_elsewhere_is_changed_there_by_its_keeper(program: Program) -> None:
    old = (program.home / "ca" / "passphrase").rename(program.directory / "old")
    (program.directory / "new").write_text("correct horse\n")
    (program.directory / "new").chmod(0o600)

    program.succeed("passphrase", "change", "--passphrase-file", old, "--new-passphrase-file", "new")

    assert another_administrator(program, "a", CHANCERY_PASSPHRASE_FILE=str(old)) == 4
    assert another_administrator(program, "b", CHANCERY_PASSPHRASE="correct horse") == 0
    assert another_administrator(program, "c", CHANCERY_PASSPHRASE_FILE=str(program.directory / "new")) == 0


def test_change_without_a_new_passphrase_or_an_authority_is_refused(program: Program) -> None:
    given = (program.home / "ca" / "passphrase").read_text().strip()

    unsaid = program("passphrase", "change", CHANCERY_PASSPHRASE=given)
    wrong = program("passphrase", "change", CHANCERY_PASSPHRASE="wrong", CHANCERY_NEW_PASSPHRASE="new")
    nowhere = program("passphrase", "change", "--data-directory", "none", CHANCERY_NEW_PASSPHRASE="new")

    assert (unsaid.status, wrong.status, nowhere.status) == (4, 4, 7)
    assert "--new-passphrase-file" in unsaid.errors
    assert another_administrator(program, "x") == 0


def test_authority_is_restored_from_a_backup(program: Program) -> None:
    backed_up = program("backup", "ca.backup", CHANCERY_BACKUP_PASSPHRASE="battery staple")
    shutil.rmtree(program.home / "ca")
    restored = program("restore", "ca.backup", CHANCERY_BACKUP_PASSPHRASE="battery staple")

    assert (backed_up.status, restored.status) == (0, 0)
    assert "keys:         2" in backed_up.output
    assert f"written:      {program.home / 'ca'}" in restored.output
    assert another_administrator(program, "x") == 0


def test_backup_is_named_in_full_and_its_passphrase_comes_from_a_file(program: Program) -> None:
    (program.directory / "pass").write_text("battery staple\n")

    program.succeed("backup", "authority", "ca.backup", "--backup-passphrase-file", "pass")
    program.succeed(
        "restore", "authority", "ca.backup", "--data-directory", "other", "--backup-passphrase-file", "pass"
    )  # fmt: skip

    assert (program.directory / "other" / "chancery.db").exists()


def test_line_breaks_at_its_ends_are_no_part_of_a_passphrase_wherever_it_comes_from(program: Program) -> None:
    """The same Secret of a cluster may be a variable of the job that backs up, and a file where somebody restores."""
    (program.directory / "pass").write_text("battery staple\r\n\n")
    program.succeed("backup", "ca.backup", CHANCERY_BACKUP_PASSPHRASE="battery staple\n")
    program.succeed("restore", "ca.backup", "--data-directory", "other", "--backup-passphrase-file", "pass")
    empty = program("backup", "second.backup", CHANCERY_BACKUP_PASSPHRASE="\n")

    assert empty.status == 6
    assert "CHANCERY_BACKUP_PASSPHRASE is empty" in empty.errors


def test_what_a_backup_or_a_restore_refuses_is_told_in_a_line(program: Program) -> None:
    given = {"CHANCERY_BACKUP_PASSPHRASE": "battery staple"}
    program.succeed("backup", "ca.backup", **given)
    (program.directory / "junk").write_text("junk")

    refusals = {
        7: [("backup", "ca.backup"), ("restore", "ca.backup"), ("restore", "junk", "--data-directory", "other")],
        3: [("restore", "none", "--data-directory", "other")],
        2: [("backup", "-")],
    }
    for status, commands in refusals.items():
        for command in commands:
            outcome = program(*command, **given)
            assert outcome.status == status, outcome
            assert outcome.errors.count("ca-cli: error: ") == 1
    wrong = program("restore", "ca.backup", "--data-directory", "other", CHANCERY_BACKUP_PASSPHRASE="wrong")
    unsaid = program("backup", "second.backup")
    assert (wrong.status, unsaid.status) == (4, 4)
    assert "--backup-passphrase-file" in unsaid.errors
    assert not (program.directory / "other").exists()
