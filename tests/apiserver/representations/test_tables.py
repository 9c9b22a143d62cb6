"""Cells of tables: what a printer column makes of a value, as recorded from kube-apiserver."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from apiserver.kinds.kind import Column
from apiserver.representations.tables import TableShape
from apiserver.storage.records import Body, Key, Record
from tests.apiserver.kinds.manifests import load, manifest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = ("string", "integer", "number", "boolean", "date")


@pytest.fixture
def row(tmp_path):
    """The row of an object whose `spec.v` is shown in a column of each type."""
    (kind,) = load(tmp_path, manifest())
    columns = tuple(Column(name=type_, type=type_, json_path=".spec.v") for type_ in TYPES)
    shape = TableShape(replace(kind, columns=columns), version="v1", now=NOW)

    def of(projection, included=None):
        record = Record(
            key=Key(storage="things.example.com", namespace="a", name="b"),
            revision=1,
            uid="u",
            metadata=b"{}",
            projection=orjson.dumps(projection),
            body=Body(id=0, octets=2, inline=b"{}"),
        )
        return orjson.loads(shape.row(record, included))

    return of


@pytest.mark.parametrize(
    ("value", "cells"),
    [
        ("x", ["x", None, None, None, "<invalid>"]),
        ("", ["", None, None, None, "<unknown>"]),
        (5, ["5", 5, 5, None, None]),
        (5.5, ["5.5", 5, 5.5, None, None]),
        (5.0, ["5", 5, 5.0, None, None]),
        (True, ["true", None, None, True, None]),
        ([1, "a", {"b": 1.5}], ['[1,"a",{"b":1.5}]', None, None, None, None]),
        ({"n": None, "a": "x"}, ['{"a":"x","n":null}', None, None, None, None]),
        ("2025-12-31T00:00:00Z", ["2025-12-31T00:00:00Z", None, None, None, "24h"]),
        ("2200-01-01T00:00:00Z", ["2200-01-01T00:00:00Z", None, None, None, "<invalid>"]),
    ],
    ids=repr,
)
def test_cells_are_those_of_kube_apiserver(row, value, cells):
    assert row({".spec.v": value})["cells"] == ["b", *cells]


def test_what_is_not_there_is_null(row):
    assert row({}) == {"cells": ["b", None, None, None, None, None], "object": None}
