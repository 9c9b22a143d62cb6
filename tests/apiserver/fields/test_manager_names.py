import pytest

from apiserver.errors import BadRequest
from apiserver.fields.managed import default_manager, manager_faults, verify_manager


@pytest.mark.parametrize("name", ["", "kubectl", "x" * 128, "größe", "a b"])
def test_name_that_can_be_printed_is_let_pass(name):
    verify_manager(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 129, "fieldManager: Too long: may not be more than 128 bytes"),
        ("ö" * 65, "fieldManager: Too long: may not be more than 128 bytes"),
        ("a\tb", r'fieldManager: Invalid value: "a\tb": invalid character U+0009 (at position 1)'),
        ("ö\x00", r'fieldManager: Invalid value: "ö\u0000": invalid character U+0000 (at position 2)'),
        ("\u200b", 'fieldManager: Invalid value: "\u200b": invalid character U+200B (at position 0)'),
    ],
)
def test_name_that_is_too_long_or_cannot_be_printed_is_refused(name, message):
    with pytest.raises(BadRequest) as refusal:
        verify_manager(name)

    assert str(refusal.value) == message


def test_all_faults_of_a_name_are_told_where_they_are_asked_for():
    assert len(list(manager_faults("\n" * 130, "metadata.managedFields[0].manager"))) == 131


@pytest.mark.parametrize(
    ("user_agent", "manager"),
    [
        ("kubectl/v1.33.0 (linux/amd64) kubernetes/60a317e", "kubectl"),
        ("curl/8.5.0", "curl"),
        ("Mozilla", "Mozilla"),
        ("", ""),
        ("/x", ""),
        ("a\x00b/1", "ab"),
        ("x" * 200, "x" * 128),
        ("ö" * 100, "ö" * 64),
        ("x" * 127 + "öx", "x" * 127),
    ],
)
def test_default_is_the_user_agent_up_to_the_slash(user_agent, manager):
    assert default_manager(user_agent) == manager
