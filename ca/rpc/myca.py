"""grpc.CertificateService, as myca served it: four methods over wire messages that its clients were generated from.

- Differences from myca, all towards safety: identifiers are random, an address that does not parse is refused rather than
  skipped, IPv6 works, policy decides, and a key is given once, to whoever asked for it.
- The certificate comes as myca gave it: the leaf alone, one PEM block; the chain is to be had from TrustService.
"""

import asyncio
from dataclasses import dataclass

from google.protobuf.empty_pb2 import Empty

from ca.calls import Call
from ca.orders import Order
from ca.policy import Operation
from ca.registry import Registry
from ca.rpc import conversion
from ca.rpc.certificates import CertificateHandlers
from certs.keys import KeyType
from certs.names import SubjectAlternativeNames, SubjectName
from protos.myca import service_pb2 as myca

_PROFILE = "peer"  # myca's certificates served on both sides of mTLS
_PROFILE_WITHOUT_HOST = "client"  # and could do without any name, as its own template over HTTP did
_KEY_TYPE = KeyType.RSA_2048  # and its clients read RSA keys


@dataclass(frozen=True, slots=True, kw_only=True)
class MycaHandlers:
    certificates: CertificateHandlers
    registry: Registry

    async def csr_template(self, _request: Empty, call: Call) -> myca.CertificateSigningRequest:
        """The caller's own subject and names, as a start for a request."""
        subject, names = call.caller.subject, call.caller.names
        return myca.CertificateSigningRequest(
            SubjectCountry=subject.countries,
            SubjectOrganization=subject.organizations,
            SubjectOrganizationalUnit=subject.organizational_units,
            SubjectLocality=subject.localities,
            SubjectProvince=subject.provinces,
            SubjectStreetAddress=subject.street_addresses,
            SubjectPostalCode=subject.postal_codes,
            SubjectSerialNumber=subject.serial_number or "",
            SubjectCommonName=subject.common_name or "",
            DNSNames=names.dns or ("localhost",),
            EmailAddresses=names.emails,
            IPAddresses=[str(address) for address in names.ips] or ["127.0.0.1", "::1"],
        )

    async def sign_csr(self, request: myca.CertificateSigningRequest, call: Call) -> myca.SignResponse:
        subject = SubjectName(
            common_name=request.SubjectCommonName or None,
            organizations=tuple(request.SubjectOrganization),
            organizational_units=tuple(request.SubjectOrganizationalUnit),
            countries=tuple(request.SubjectCountry),
            localities=tuple(request.SubjectLocality),
            provinces=tuple(request.SubjectProvince),
            street_addresses=tuple(request.SubjectStreetAddress),
            postal_codes=tuple(request.SubjectPostalCode),
            serial_number=request.SubjectSerialNumber or None,
        )
        names = SubjectAlternativeNames.parse(
            dns=tuple(request.DNSNames), ips=tuple(request.IPAddresses), emails=tuple(request.EmailAddresses)
        )
        profile = _PROFILE if names.dns or names.ips else _PROFILE_WITHOUT_HOST
        order = Order(call=call, operation=Operation.ISSUE, profile=profile, request=b"")
        record = await self.certificates.issue_with_server_key(order, _KEY_TYPE, subject, names)
        return myca.SignResponse(CertificateId=record.id)

    async def get_cert(self, request: myca.FileIdentifer, call: Call) -> myca.FileStream:
        record = await asyncio.to_thread(self.registry.find, call, request.Id)
        return myca.FileStream(contents=conversion.pem_of(record.der).encode())

    async def get_key(self, request: myca.FileIdentifer, call: Call) -> myca.FileStream:
        return myca.FileStream(contents=await asyncio.to_thread(self.registry.take_private_key, call, request.Id))
