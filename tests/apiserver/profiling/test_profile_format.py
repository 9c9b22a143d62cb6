"""The profile format, taken apart again."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.profiling.profile_format import Frame, Sample, encode_profile
from tests.apiserver.profiling.reading import Read

OUTER = Frame(function="m.outer", file="/m.py", line=9, first_line=7)
INNER = Frame(function="m.inner", file="/m.py", line=3, first_line=1)


def encoded(samples, **others):
    options = {
        "kinds": (("objects", "count"), ("space", "bytes")),
        "period": ("space", "bytes", 512),
        "time_nanos": 1_763_640_000_000_000_000,
        "duration_nanos": 5,
        **others,
    }
    return encode_profile(samples, **options)


def test_a_profile_reads_as_it_was_written():
    read = Read(encoded([Sample(stack=(INNER, OUTER), values=(1, 300), labels={"thread": "a"})], comments=["why"]))

    assert read.samples == [({"objects": 1, "space": 300}, ["m.inner", "m.outer"], {"thread": "a"})]
    assert (read.time_nanos, read.duration_nanos) == (1_763_640_000_000_000_000, 5)
    assert (read.shown, read.comments) == ("space", ["why"])


def test_a_profile_of_nothing_is_a_profile():
    assert Read(encoded([])).samples == []


def test_the_same_profile_has_the_same_octets():
    assert encoded([Sample(stack=(INNER,), values=(1, 2))]) == encoded([Sample(stack=(INNER,), values=(1, 2))])


def test_places_and_functions_are_written_once():
    one = len(gzip.decompress(encoded([Sample(stack=(INNER, OUTER), values=(1, 1))])))
    ten = len(gzip.decompress(encoded([Sample(stack=(INNER, OUTER), values=(1, 1))] * 10)))

    assert ten - one == 9 * 10


@given(
    st.lists(
        st.builds(
            Sample,
            stack=st.lists(
                st.builds(Frame, function=st.text(max_size=5), file=st.text(max_size=5), line=st.integers(0, 1 << 31)),
                max_size=4,
            ).map(tuple),
            values=st.tuples(st.integers(0, (1 << 63) - 1), st.integers(0, 300)),
        ),
        max_size=6,
    )
)
def test_any_profile_reads_as_it_was_written(samples):
    read = Read(encoded(samples))

    assert [(tuple(values.values()), stack) for values, stack, _ in read.samples] == [
        (sample.values, [frame.function for frame in sample.stack]) for sample in samples
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_go_reads_a_profile(pprof, tmp_path):
    (tmp_path / "profile").write_bytes(
        encoded([Sample(stack=(INNER, OUTER), values=(1, 300), labels={"thread": "a"})], comments=["why"])
    )

    raw = pprof("-raw", tmp_path / "profile")
    top = pprof("-top", "-sample_index=space", tmp_path / "profile")

    assert "objects/count space/bytes[dflt]" in raw
    assert "m.inner /m.py:3:0 s=1" in raw
    assert "thread:[a]" in raw
    assert "why" in pprof("-comments", tmp_path / "profile")
    assert [line.split()[-1] for line in top.splitlines()[-2:]] == ["m.inner", "m.outer"]
