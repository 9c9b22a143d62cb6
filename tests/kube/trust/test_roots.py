"""A bundle is verified as a whole before a byte of it reaches the cluster."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.trust.errors import BundleEmpty, BundleInvalid, BundleMalformed, BundleTooLarge, NotACa, RootTwice
from kube.trust.roots import MAX_OCTETS, Roots
from tests.kube.trust.made_roots import NOW, pem_of, roots_of


def read(pem: bytes) -> Roots:
    return Roots.from_pem(pem, generation=7, at=NOW)


@pytest.mark.parametrize(
    ("pem", "refusal"),
    [
        (b"", BundleEmpty),
        (b" \r\n\t\n", BundleEmpty),
        (b"ca.crt", BundleMalformed),
        (b"\x00\xff" * 40, BundleMalformed),
        (pem_of("a").replace(b"MII", b"!!!", 1), BundleMalformed),
        (pem_of("a")[:-40], BundleMalformed),
        (pem_of("a") + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", BundleMalformed),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", BundleMalformed),
        (pem_of("leaf", ca=False), NotACa),
        (pem_of("no-constraints", ca=None), NotACa),
        (pem_of("signs-nothing", signs=False), NotACa),
        (pem_of("a") + pem_of("leaf", ca=False), NotACa),
        (pem_of("a") + pem_of("b") + pem_of("a"), RootTwice),
        (pem_of("past", days=-1), BundleEmpty),
        (b"#" * MAX_OCTETS + pem_of("a"), BundleTooLarge),
        (pem_of("a") * 5000, BundleTooLarge),
    ],
)
def test_bundle_that_nobody_should_trust_by_is_refused_as_a_whole(pem, refusal):
    with pytest.raises(refusal):
        read(pem)


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: pem.replace(b"\n", b"\r\n"),
        lambda pem: b"# the root of today\n" + pem,
        lambda pem: pem.replace(b"-----\n-----", b"-----\n\nsubject=the next\nissuer=itself\n\n-----"),
        lambda pem: b"\n\n" + pem + b"\n\n",
    ],
)
def test_line_ends_and_comments_are_no_part_of_a_bundle(change):
    plain = pem_of("a") + pem_of("b")

    assert read(change(plain)).pem == plain
    assert read(change(plain)).fingerprints == read(plain).fingerprints


def test_order_is_kept_and_two_roots_of_one_name_are_two():
    twin = pem_of("a", days=31)
    roots = read(twin + pem_of("a"))

    assert roots.pem == twin + pem_of("a")
    assert len(roots.fingerprints) == 2


def test_expired_root_is_left_out_and_named():
    roots = read(pem_of("a") + pem_of("past", days=-1))

    assert roots.pem == pem_of("a")
    assert len(roots.expired) == 1
    assert roots.fingerprints.isdisjoint(roots.expired)


def test_root_ends_at_its_last_instant():
    with pytest.raises(BundleEmpty):
        Roots.from_pem(pem_of("a"), generation=1, at=NOW + timedelta(days=30))


@given(st.binary(max_size=300), st.integers(0, 900))
def test_octets_of_any_kind_are_refused_or_read(octets, place):
    whole = pem_of("a")
    for pem in (octets, whole[:place] + octets + whole[place:]):
        try:
            roots = read(pem)
        except BundleInvalid:
            continue

        assert roots.fingerprints == roots_of("a").fingerprints
