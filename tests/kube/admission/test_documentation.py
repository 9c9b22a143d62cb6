"""docs/injector.md says what there is: annotations, reasons, metrics, rights."""

import re
from pathlib import Path

import yaml

from kube.admission import injection, modes, ownership, pods, wishes
from kube.admission.metrics import Metrics
from kube.admission.settings import InjectorSettings

PAGE = Path("docs/injector.md").read_text()
_MODULES = (injection, modes, ownership, pods, wishes)


def test_every_annotation_has_its_row():
    table = PAGE.split("## Annotations")[1].split("## What is refused")[0]

    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(wishes.NAMES)


def test_every_reason_of_a_refusal_is_listed():
    sources = "".join(Path(module.__file__).read_text() for module in _MODULES)
    reasons = set(re.findall(r'(?:reason=|_fault\(\s*)"([A-Z_]+)"', sources))

    assert len(reasons) == 12
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()


def test_every_metric_is_listed():
    families = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in Metrics().registry.collect()
    }
    ours = {name for name in families if name.startswith("chancery_")}

    assert set(re.findall(r"`(chancery_injector_\w+)`", PAGE)) == ours


def test_rights_are_those_for_the_configurations_that_are_looked_at():
    (rights,) = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "apiGroups" in block]
    cluster, own = yaml.safe_load_all(rights)

    assert [rule["resources"] for rule in cluster["rules"]] == [["nodes"], ["mutatingwebhookconfigurations"]]
    assert tuple(cluster["rules"][1]["resourceNames"]) == InjectorSettings().serving.webhook_configurations
    assert own["rules"] == [{"apiGroups": [""], "resources": ["podtemplates"], "verbs": ["create"]}]
