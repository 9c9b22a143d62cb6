import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.errors import KindsInvalid
from apiserver.kinds.body_limits import MAXIMUM_BODY
from apiserver.kinds.manifests import STORED_AS, load_kinds
from tests.apiserver.kinds.manifests import TEXT, changed, faults_of, load, manifest, version

V = "spec.versions[0]"


def test_a_manifest_becomes_a_kind(tmp_path):
    (kind,) = load(tmp_path, manifest())

    assert (kind.api_version, kind.names.kind, kind.names.singular, kind.names.list_kind) == (
        "example.com/v1",
        "Thing",
        "thing",
        "ThingList",
    )
    assert kind.namespaced
    assert kind.storage == "things.example.com"
    assert kind.maximum_octets == 3 << 20
    assert [column.name for column in kind.columns] == ["Age"]


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("kind", "Pod", "kind: must be a CustomResourceDefinition of apiextensions.k8s.io/v1"),
        ("apiVersion", "apiextensions.k8s.io/v1beta1", "kind: must be a CustomResourceDefinition"),
        ("spec", "text", "spec: must be an object"),
        ("spec.group", None, "spec.group: is required"),
        ("spec.group", "Example.com", "spec.group: a lowercase RFC 1123 subdomain"),
        ("spec.group", "example", "spec.group: should be a domain with at least one dot"),
        ("spec.names", 5, "spec.names: must be an object"),
        ("spec.names.plural", "Things", "spec.names.plural: a DNS-1035 label"),
        ("spec.names.kind", None, "spec.names.kind: is required"),
        ("spec.names.shortNames", "th", "spec.names.shortNames: must be a list of texts"),
        ("spec.names.listKind", "Thing", "spec.names.listKind: kind and listKind may not be the same"),
        ("spec.names.nick", "th", "spec.names.nick: is not known"),
        ("metadata.name", "others.example.com", "metadata.name: must be spec.names.plural+'.'+spec.group"),
        ("spec.scope", "Everywhere", "spec.scope: must be Namespaced or Cluster"),
        ("spec.scope", [], "spec.scope: must be a text"),
        ("spec.odd", 1, "spec.odd: is not known"),
        ("spec.preserveUnknownFields", True, "spec.preserveUnknownFields: must be false"),
        ("spec.conversion", "Webhook", "spec.conversion: must be an object"),
        ("spec.conversion", {"strategy": "Webhook"}, "spec.conversion.strategy: must be None"),
        ("spec.versions", [], "spec.versions: must have at least one version"),
        ("spec.versions", 5, "spec.versions: must be a list of objects"),
        ("spec.versions.0.storage", False, "spec.versions: must have exactly one version marked as storage version"),
        ("spec.versions.0.name", "V1", f"{V}.name: a DNS-1035 label"),
        ("spec.versions.0.served", "yes", f"{V}.served: must be true or false"),
        ("spec.versions.0.odd", 1, f"{V}.odd: is not known"),
        ("spec.versions.0.schema", None, f"{V}.schema: is required"),
        ("spec.versions.0.schema.openAPIV3Schema.type", "array", "type: must be object at the root"),
        ("spec.versions.0.schema.openAPIV3Schema.properties.spec.type", [], "properties[spec].type: must be a text"),
        ("spec.versions.0.subresources", {"scale": {}}, f"{V}.subresources.scale: is not known"),
        ("spec.versions.0.deprecationWarning", "old", f"{V}.deprecationWarning: can only be set for deprecated"),
        ("spec.versions.0.additionalPrinterColumns", 5, "additionalPrinterColumns: must be a list of objects"),
        ("spec.versions.0.additionalPrinterColumns", [{}], "additionalPrinterColumns[0].name: is required"),
        (
            "spec.versions.0.additionalPrinterColumns",
            [{"name": "A", "type": [], "jsonPath": ".a"}],
            "additionalPrinterColumns[0].type: must be a text",
        ),
        (
            "spec.versions.0.additionalPrinterColumns",
            [{"name": "A", "type": "text", "jsonPath": ".a"}],
            "additionalPrinterColumns[0].type: must be one of boolean, date, integer, number, string",
        ),
        (
            "spec.versions.0.additionalPrinterColumns",
            [{"name": "A", "type": "string", "jsonPath": ".a["}],
            "additionalPrinterColumns[0].jsonPath: ",
        ),
        ("spec.versions.0.selectableFields", [{"jsonPath": ".metadata.name"}], "must not point to fields in metadata"),
        ("spec.versions.0.selectableFields", [{"jsonPath": ".spec.a"}], "does not refer to a valid field"),
        ("spec.versions.0.selectableFields", [{"jsonPath": ".spec"}], "must point to a field of type string, boolean"),
        ("metadata.annotations", {MAXIMUM_BODY: "20 MB"}, "must be a quantity up to 1Gi, such as 20Mi"),
        ("metadata.annotations", {MAXIMUM_BODY: "2Gi"}, "must be a quantity up to 1Gi"),
        ("metadata.annotations", {STORED_AS: "things"}, "must be the plural and the group of a resource"),
        ("metadata.annotations", {"chancery.dev/odd": "a"}, "metadata.annotations[chancery.dev/odd]: is not known"),
        ("metadata.annotations", {"a": 1}, "metadata.annotations[a]: must be a text"),
    ],
)
def test_each_fault_of_a_manifest_is_told_with_its_place(tmp_path, path, value, fault):
    found = faults_of(tmp_path, changed(path, value))

    assert any(fault in one for one in found), found
    assert all(one.startswith(str(tmp_path / "kinds.yaml")) for one in found)


def test_a_kind_merges_strategically_where_its_schema_says_how(tmp_path):
    merged = {"type": "array", "items": TEXT, "x-kubernetes-patch-strategy": "merge"}
    below_a_map = schema_with(spec={"type": "object", "additionalProperties": schema_with(a=merged)})

    (plain,) = load(tmp_path, manifest())
    (strategic,) = load(tmp_path, manifest(versions=[version(schema=below_a_map)]))

    assert not plain.merges_strategically
    assert strategic.merges_strategically


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: &x [*x]",
        "a: 2001-99-99",
        "? [a]\n: b",
        "1: a",
        "a: 1\na: 2",
        "a: !!python/object:os.system {}",
        "a: .nan",
        "a: " + "[" * 5000,
        "text",
        "\0",
    ],
)
def test_what_is_no_document_is_a_fault_of_its_file(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)

    with pytest.raises(KindsInvalid) as caught:
        load_kinds([path])

    assert caught.value.faults[0].startswith(str(path))


def test_octets_that_are_no_text_are_a_fault_of_their_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff\xfe\xff")

    with pytest.raises(KindsInvalid, match="cannot be read"):
        load_kinds([path])


def test_all_faults_of_several_files_are_told_at_once(tmp_path):
    for name, path in (("a", "spec.scope"), ("b", "spec.group")):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(changed(path, "!")))
    (tmp_path / "c.yaml").write_text("a: [")
    missing = tmp_path / "d.yaml"

    with pytest.raises(KindsInvalid) as caught:
        load_kinds([tmp_path, missing])

    found = "\n".join(caught.value.faults)
    assert "a.yaml: spec.scope" in found
    assert "b.yaml: spec.group" in found
    assert "c.yaml: cannot be read" in found
    assert f"{missing}: there is no such file or directory" in found


def test_a_file_may_hold_several_documents_and_empty_ones(tmp_path):
    path = tmp_path / "a.yml"
    path.write_text("---\n---\n" + yaml.safe_dump_all([manifest(), manifest("others", "Other")]) + "---\n")

    assert [kind.names.plural for kind in load_kinds([path])] == ["things", "others"]


def test_a_directory_gives_its_manifests_in_the_order_of_their_names(tmp_path):
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(manifest()))
    (tmp_path / "a.yml").write_text(yaml.safe_dump(manifest("others", "Other")))
    (tmp_path / "c.txt").write_text("no manifest")

    assert [kind.names.plural for kind in load_kinds([tmp_path])] == ["others", "things"]


def test_a_directory_without_manifests_is_a_fault(tmp_path):
    with pytest.raises(KindsInvalid, match="holds no"):
        load_kinds([tmp_path])


@pytest.mark.parametrize(("text", "octets"), [("20Mi", 20 << 20), ("512Ki", 512 << 10), ("1Gi", 1 << 30), ("77", 77)])
def test_an_annotation_bounds_the_body(tmp_path, text, octets):
    (kind,) = load(tmp_path, manifest(annotations={MAXIMUM_BODY: text}))

    assert kind.maximum_octets == octets


def test_a_version_that_is_not_served_makes_no_kind(tmp_path):
    old = {**version("v1alpha1", storage=False), "served": False}

    assert [kind.version for kind in load(tmp_path, manifest(versions=[old, version()]))] == ["v1"]


def test_versions_have_names_of_their_own(tmp_path):
    found = faults_of(tmp_path, manifest(versions=[version(), version(storage=False)]))

    assert any("must contain unique version names" in fault for fault in found)


def test_names_within_a_group_are_not_shared(tmp_path):
    found = faults_of(tmp_path, manifest(), manifest("others", "Thing"))

    assert any("the kind Thing is one of things.example.com, too" in fault for fault in found)
    assert any("is defined in" in fault for fault in faults_of(tmp_path, manifest(), manifest()))


def test_manifests_without_a_name_are_not_taken_for_one_another(tmp_path):
    found = faults_of(tmp_path, changed("metadata.name", None), changed("metadata.name", None))

    assert len(found) == 2
    assert all("metadata.name: must be spec.names.plural" in fault for fault in found)


def stored_as_things(schema, **more):
    return manifest(
        "views",
        "View",
        "other.com",
        annotations={STORED_AS: "things.example.com"},
        versions=[version(schema=schema)],
        **more,
    )


def schema_with(**fields):
    return {"type": "object", "properties": fields}


def test_views_may_differ_at_the_top_level(tmp_path):
    ours = manifest(versions=[version(schema=schema_with(a=TEXT, b=TEXT))])

    kinds = load(tmp_path, ours, stored_as_things(schema_with(a=TEXT, c=TEXT)))

    assert {kind.storage for kind in kinds} == {"things.example.com"}


@pytest.mark.parametrize(
    ("mine", "theirs", "place"),
    [
        (schema_with(b=TEXT), schema_with(c=TEXT), ".a.b"),
        (schema_with(b=schema_with(c=TEXT)), schema_with(b=schema_with()), ".a.b.c"),
        ({"type": "array", "items": schema_with(b=TEXT)}, {"type": "array", "items": schema_with()}, ".a[*].b"),
        (TEXT, {"type": "integer"}, ".a"),
        (
            {"type": "object", "additionalProperties": schema_with(b=TEXT)},
            {"type": "object", "additionalProperties": schema_with()},
            ".a.*.b",
        ),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, {"type": "object"}, ".a"),
    ],
)
def test_views_that_differ_below_the_top_level_are_refused(tmp_path, mine, theirs, place):
    ours = manifest(versions=[version(schema=schema_with(a=mine))])

    found = faults_of(tmp_path, ours, stored_as_things(schema_with(a=theirs)))

    assert any(f": {place} " in fault for fault in found), found


def test_views_have_one_scope_and_one_status(tmp_path):
    assert any(
        "differs in scope" in one for one in faults_of(tmp_path, manifest(), stored_as_things(None, scope="Cluster"))
    )
    with_status = manifest(versions=[version(subresources={"status": {}})])
    assert any("differs in the status" in one for one in faults_of(tmp_path, with_status, stored_as_things(None)))


def test_a_view_of_a_view_is_refused(tmp_path):
    found = faults_of(
        tmp_path,
        manifest(annotations={STORED_AS: "bases.example.com"}),
        stored_as_things(None),
        manifest("bases", "Base"),
    )

    assert any("which is itself stored as" in fault for fault in found)


def loads_or_tells(path):
    try:
        load_kinds([path])
    except KindsInvalid as err:
        return bool(err.faults)
    return True


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
PATHS = st.sampled_from(
    [
        "metadata",
        "metadata.name",
        "metadata.annotations",
        "spec",
        "spec.group",
        "spec.names",
        "spec.names.plural",
        "spec.names.shortNames",
        "spec.scope",
        "spec.conversion",
        "spec.versions",
        "spec.versions.0",
        "spec.versions.0.name",
        "spec.versions.0.schema",
        "spec.versions.0.subresources",
        "spec.versions.0.additionalPrinterColumns",
        "spec.versions.0.selectableFields",
        "spec.versions.0.schema.openAPIV3Schema",
        *(
            f"spec.versions.0.schema.openAPIV3Schema.properties.spec.{name}"
            for name in (
                *("type", "format", "properties", "additionalProperties", "items", "required", "default", "enum"),
                *("pattern", "minimum", "maxLength", "multipleOf", "allOf", "anyOf", "oneOf", "not", "nullable"),
                *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
                *("x-kubernetes-embedded-resource", "x-kubernetes-patch-strategy", "x-kubernetes-map-type"),
            )
        ),
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(path=PATHS, junk=JUNK)
def test_a_manifest_with_anything_anywhere_loads_or_tells_its_faults(tmp_path, path, junk):
    document = changed(path, "placeholder" if junk is None else junk)
    file = tmp_path / "junk.yaml"
    file.write_text(yaml.safe_dump(document))

    assert loads_or_tells(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.binary(max_size=60), st.text(alphabet="abc:-[]{}&*!?|>'\"#%@,\n 019.~<", max_size=60).map(str.encode))
)
def test_arbitrary_octets_never_raise_anything_else(tmp_path, octets):
    path = tmp_path / "arbitrary.yaml"
    path.write_bytes(octets)

    assert loads_or_tells(path)


def test_deprecated_version_names_the_best_one_to_use_instead(tmp_path):
    old = version("v1beta1", storage=False, deprecated=True)
    kinds = load(tmp_path, manifest(versions=[old, version("v1", storage=False), version("v2", storage=True)]))

    warnings = {kind.version: kind.deprecation_warning for kind in kinds}

    assert warnings == {
        "v1beta1": "example.com/v1beta1 Thing is deprecated; use example.com/v2 Thing",
        "v1": "",
        "v2": "",
    }
