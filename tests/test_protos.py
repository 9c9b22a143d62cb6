"""The wire formats: generated code matches its sources, and the sources keep the habits of AIP and buf."""

from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor, ServiceDescriptor

import protos
from protos.chancery.ca.v1 import (
    admin_service_pb2,
    certificate_pb2,
    certificate_service_pb2,
    enrollment_service_pb2,
    registrar_service_pb2,
    trust_service_pb2,
)
from protos.generate import SOURCES, generate

ROOT = Path(protos.__file__).parent
MODULES = (
    admin_service_pb2,
    certificate_pb2,
    certificate_service_pb2,
    enrollment_service_pb2,
    registrar_service_pb2,
    trust_service_pb2,
)
FILES: tuple[FileDescriptor, ...] = tuple(module.DESCRIPTOR for module in MODULES)
MESSAGES: tuple[Descriptor, ...] = tuple(each for file in FILES for each in file.message_types_by_name.values())
ENUMS: tuple[EnumDescriptor, ...] = tuple(each for file in FILES for each in file.enum_types_by_name.values())
SERVICES: tuple[ServiceDescriptor, ...] = tuple(each for file in FILES for each in file.services_by_name.values())


def generated_files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for pattern in ("*_pb2*.py", "*_pb2*.pyi")
        for path in root.rglob(pattern)
    }


def test_generated_code_matches_its_sources(tmp_path):
    generate(tmp_path)

    assert generated_files(tmp_path) == generated_files(ROOT), "run: make protos"


def test_every_source_is_checked_here():
    checked = {file.name for file in FILES}

    assert {str(path.relative_to(ROOT)) for path in SOURCES if "chancery" in path.parts} == checked


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_methods_have_requests_and_responses_of_their_own(service):
    for method in service.methods:
        assert method.input_type.name == f"{method.name}Request"
        assert method.output_type.name == f"{method.name}Response"
    assert service.name.endswith("Service")


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.name)
def test_enum_values_carry_its_name_and_begin_unspecified(enum):
    prefix = "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in enum.name).lstrip("_")

    assert enum.values_by_number[0].name == f"{prefix}_UNSPECIFIED"
    assert all(value.name.startswith(f"{prefix}_") for value in enum.values)


def fields_of_type(full_name: str) -> list[FieldDescriptor]:
    return [
        field
        for message in MESSAGES
        for field in message.fields
        if field.message_type is not None and field.message_type.full_name == full_name
    ]


@pytest.mark.parametrize("field", fields_of_type("google.protobuf.Timestamp"), ids=lambda field: field.full_name)
def test_instants_are_named_time(field):
    assert field.name.endswith("_time")


@pytest.mark.parametrize("field", fields_of_type("google.protobuf.Duration"), ids=lambda field: field.full_name)
def test_spans_are_named_lifetime(field):
    assert field.name.endswith("lifetime")


@pytest.mark.parametrize(
    "message", [each for each in MESSAGES if "page_size" in each.fields_by_name], ids=lambda message: message.name
)
def test_lists_are_paged(message):
    (response,) = [each for each in MESSAGES if each.name == message.name.replace("Request", "Response")]

    assert "page_token" in message.fields_by_name
    assert "next_page_token" in response.fields_by_name
