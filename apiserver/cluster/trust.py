"""Whom the cluster says to believe: ConfigMap extension-apiserver-authentication in kube-system, followed while the server runs.

- Broken settings are passed over: the server goes on believing whom it believed before.
"""

import json
from collections.abc import Mapping

import structlog

from apiserver.ambient import Entropy
from apiserver.cluster.connection import ClusterConnection, NotThere
from apiserver.cluster.reflector import Reflector
from apiserver.documents import JsonObject
from apiserver.errors import ApiSettingsInvalid, ClusterUnreachable
from apiserver.identity.trust import CaBundle, RequestHeaderSettings, Trust

_NAMESPACE, _NAME = "kube-system", "extension-apiserver-authentication"
_PATH = f"/api/v1/namespaces/{_NAMESPACE}/configmaps"

_HINT = (
    "grant the role extension-apiserver-authentication-reader, or name --requestheader-client-ca-file and "
    "--client-ca-file"
)

_log = structlog.get_logger("chancery.apiserver.trust")


class ClusterTrust:
    """Keeps a `Trust` as the cluster says, as far as no file says otherwise."""

    def __init__(
        self, connection: ClusterConnection, trust: Trust, *, client_ca: bool, request_header: bool, entropy: Entropy
    ) -> None:
        """`client_ca` and `request_header` say which of the two are the cluster's to set."""
        self._trust = trust
        self._client_ca = client_ca
        self._request_header = request_header
        self.reflector = Reflector(
            connection,
            _PATH,
            query={"fieldSelector": f"metadata.name={_NAME}"},
            on_change=self._adopt,
            entropy=entropy,
        )

    def start(self) -> None:
        """Reads once, so that the server starts knowing whom to believe; then follows. Blocks. Raises ApiSettingsInvalid."""
        try:
            self.reflector.refresh()
        except (ClusterUnreachable, NotThere) as err:
            raise ApiSettingsInvalid(
                [
                    f"the cluster's authentication settings (ConfigMap {_NAMESPACE}/{_NAME}) cannot be read: {err}; {_HINT}"
                ]
            ) from err
        self.reflector.start()

    def _adopt(self) -> None:
        document = self.reflector.get(_NAMESPACE, _NAME)
        data = _data(document or {})
        try:
            if self._client_ca and data.get("client-ca-file"):
                self._trust.set_client_ca(CaBundle.from_pem(data["client-ca-file"].encode()))
            if self._request_header and data.get("requestheader-client-ca-file"):
                self._trust.set_request_header(_request_header(data))
        except (ApiSettingsInvalid, ValueError) as err:
            _log.warning("the cluster's authentication settings are no good; going on with the former", error=str(err))


def _data(config_map: JsonObject) -> Mapping[str, str]:
    data = config_map.get("data")
    return {name: text for name, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}


def _request_header(data: Mapping[str, str]) -> RequestHeaderSettings:
    """Raises ApiSettingsInvalid, ValueError."""
    return RequestHeaderSettings(
        ca=CaBundle.from_pem(data["requestheader-client-ca-file"].encode()),
        allowed_names=_texts(data, "requestheader-allowed-names"),
        username_headers=_texts(data, "requestheader-username-headers") or ("X-Remote-User",),
        uid_headers=_texts(data, "requestheader-uid-headers") or ("X-Remote-Uid",),
        group_headers=_texts(data, "requestheader-group-headers") or ("X-Remote-Group",),
        extra_headers_prefix=_texts(data, "requestheader-extra-headers-prefix") or ("X-Remote-Extra-",),
    )


def _texts(data: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A JSON array of texts. Raises ValueError."""
    if not data.get(name):
        return ()
    found = json.loads(data[name])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{name} is no list of texts")
    return tuple(found)
