"""Where certificates and trust come from when they are files, as the settings name them."""

from collections.abc import Sequence

from apiserver.identity.files import WatchedFiles, read_bundle
from apiserver.identity.tls import ReloadingContext, ServingPair
from apiserver.identity.trust import CaBundle, RequestHeaderSettings, Trust
from apiserver.settings import ApiServerSettings


def adopt_files(settings: ApiServerSettings, trust: Trust) -> None:
    """Takes over the CAs that are in files. Raises ApiSettingsInvalid."""
    if settings.trust.client_ca_file is not None:
        trust.set_client_ca(read_bundle(settings.trust.client_ca_file))
    if settings.trust.requestheader_client_ca_file is not None:
        trust.set_request_header(_request_header(settings, read_bundle(settings.trust.requestheader_client_ca_file)))


def watched_files(settings: ApiServerSettings, tls: ReloadingContext, trust: Trust) -> Sequence[WatchedFiles]:
    """The files that are read again while the server runs."""
    serving, files = settings.serving, settings.trust
    watched = []
    if serving.tls_cert_file and serving.tls_private_key_file:
        paths = (serving.tls_cert_file, serving.tls_private_key_file)
        watched.append(
            WatchedFiles(paths=paths, adopt=lambda both: tls.use(ServingPair(chain=both[0], private_key=both[1])))
        )
    if files.client_ca_file:
        watched.append(
            WatchedFiles(
                paths=(files.client_ca_file,), adopt=lambda one: trust.set_client_ca(CaBundle.from_pem(one[0]))
            )
        )
    if files.requestheader_client_ca_file:
        watched.append(
            WatchedFiles(
                paths=(files.requestheader_client_ca_file,),
                adopt=lambda one: trust.set_request_header(_request_header(settings, CaBundle.from_pem(one[0]))),
            )
        )
    return watched


def _request_header(settings: ApiServerSettings, ca: CaBundle) -> RequestHeaderSettings:
    given = settings.trust
    return RequestHeaderSettings(
        ca=ca,
        allowed_names=given.requestheader_allowed_names,
        username_headers=given.requestheader_username_headers,
        uid_headers=given.requestheader_uid_headers,
        group_headers=given.requestheader_group_headers,
        extra_headers_prefix=given.requestheader_extra_headers_prefix,
    )
