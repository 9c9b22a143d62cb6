"""Settings: one name each, every fault at once, nothing contradictory."""

import contextlib
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import SettingsInvalid
from ca.settings import ServeSettings
from certs.keys import KeyType
from serving.settings import describe, is_loopback

NAMES = sorted(setting.name for setting in describe(ServeSettings))
VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(max_size=5), max_size=3)


def test_no_settings_at_all_are_valid() -> None:
    settings = ServeSettings.from_mapping({})

    assert (settings.listeners.grpc_port, settings.listeners.http_port) == (8112, 8111)
    assert settings.listeners.mtls
    assert settings.hierarchy.key_type is None


def test_text_and_typed_values_mean_the_same() -> None:
    text = ServeSettings.from_mapping(
        {
            "grpc": "no",
            "grpc_port": "1",
            "key_retention": "90m",
            "advertised_names": "a.example, 10.0.0.1",
            "data_directory": "/d",
            "key_type": "ec-p384",
        }
    )
    typed = ServeSettings.from_mapping(
        {
            "grpc": False,
            "grpc_port": 1,
            "key_retention": timedelta(minutes=90),
            "advertised_names": ["a.example", "10.0.0.1"],
            "data_directory": Path("/d"),
            "key_type": KeyType.EC_P384,
        }
    )

    assert text == typed


def test_names_are_unique_over_all_groups() -> None:
    assert len(NAMES) == len(set(NAMES))


def test_paths_follow_the_data_directory() -> None:
    settings = ServeSettings.from_mapping({"data_directory": "/srv/ca"})

    assert settings.database_url == "sqlite:////srv/ca/chancery.db"
    assert settings.passphrase_file == Path("/srv/ca/passphrase")
    assert settings.policy_file == Path("/srv/ca/policy.yaml")


def test_all_faults_come_at_once() -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        ServeSettings.from_mapping({"grpc_port": "x", "no_such": 1, "mtls": "maybe", "crl_shards": 0})

    assert {fault.split(":")[0] for fault in invalid.value.faults} == {
        "grpc_port",
        "unknown setting 'no_such'",
        "mtls",
        "crl_shards",
    }


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"mtls": False, "listen_address": "0.0.0.0"}, "not loopback"),
        ({"mtls": False, "listen_address": "ca.example"}, "not loopback"),
        ({"grpc_port": 70000}, "out of range"),
        ({"grpc_port": 9000, "http_port": 9000}, "must differ"),
        ({"grpc_port": -1}, "whole number"),
        ({"crl_shards": 1025}, "1 to 1024"),
        ({"signing_queue": 0}, "1 to 1,000,000"),
        ({"crl_lifetime": "30s"}, "at least one minute"),
        ({"rotation_settle": "0s"}, "at least one second"),
        ({"rotation_settle": timedelta(milliseconds=999)}, "at least one second"),
        ({"crl_base_url": "https://ca.example"}, "http:// URL"),
        ({"crl_base_url": "http://ca.example/?x"}, "http:// URL"),
        ({"log_format": "xml"}, "log_format"),
        ({"log_level": "loud"}, "log_level"),
        ({"trust_domain": "Not A Domain"}, "trust_domain"),
        ({"key_type": "rsa-1024"}, "rsa-1024"),
        ({"key_retention": "soon"}, "key_retention"),
        ({"advertised_names": 7}, "not a list"),
        ({"advertised_names": ["ca.example", "a b"]}, "advertised_names: dns 'a b'"),
        ({"advertised_names": ["10.0.0.256"]}, "advertised_names: ip"),
    ],
)
def test_contradictions_stop_the_start(values: dict[str, object], complaint: str) -> None:
    with pytest.raises(SettingsInvalid, match=complaint):
        ServeSettings.from_mapping(values)


def test_ml_dsa_needs_a_python_whose_tls_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "OPENSSL_VERSION_INFO", (3, 0, 19, 0, 0))
    with pytest.raises(SettingsInvalid, match="cannot verify ML-DSA chains"):
        ServeSettings.from_mapping({"key_type": "ml-dsa-65"})
    assert ServeSettings.from_mapping({"key_type": "ml-dsa-65", "mtls": False})

    monkeypatch.setattr(ssl, "OPENSSL_VERSION_INFO", (3, 5, 0, 0, 0))
    assert ServeSettings.from_mapping({"key_type": "ml-dsa-65"})


def test_plain_text_beyond_loopback_must_be_said_twice() -> None:
    settings = ServeSettings.from_mapping({"mtls": False, "listen_address": "0.0.0.0", "insecure_bind": True})

    assert settings.listeners.insecure_bind


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_what_only_this_machine_reaches(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5))
def test_no_values_raise_anything_else(values: dict[str, object]) -> None:
    with contextlib.suppress(SettingsInvalid):
        ServeSettings.from_mapping(values)
