"""openapi-spec-validator reads every OpenAPI document that a server serves."""

import copy

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator

from tests.apiserver.server import running_api_server


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with running_api_server(tmp_path_factory.mktemp("openapi") / "data") as server:
        yield server.client()


def faults(validator, document):
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator(document).iter_errors()]


def test_every_document_of_version_3_is_valid(api):
    index = api.get("/openapi/v3").document["paths"]

    found = {
        path: faults(OpenAPIV30SpecValidator, api.get(entry["serverRelativeURL"]).document)
        for path, entry in index.items()
    }

    assert len(found) == 4
    assert not any(found.values()), found


def test_the_document_of_version_2_is_valid(api):
    document = api.get("/openapi/v2").document

    assert document["swagger"] == "2.0"
    assert faults(OpenAPIV2SpecValidator, document) == []


@pytest.mark.parametrize(
    ("validator", "path", "section"),
    [
        (OpenAPIV30SpecValidator, "/openapi/v3/apis/wardle.example.com/v1alpha1", "components"),
        (OpenAPIV2SpecValidator, "/openapi/v2", "definitions"),
    ],
)
def test_a_reference_that_leads_nowhere_would_be_found(api, validator, path, section):
    broken = copy.deepcopy(api.get(path).document)
    schemas = broken[section].get("schemas", broken[section])
    del schemas["com.example.wardle.v1alpha1.Flunder"]

    with pytest.raises(Exception, match=r"com\.example\.wardle\.v1alpha1\.Flunder"):
        faults(validator, broken)
