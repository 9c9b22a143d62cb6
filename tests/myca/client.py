"""A client of myca in Python, as its users have one: code generated from myca's .proto, and nothing of ours.

Run by the tests in a process of its own, since a process can hold one `grpc.CertificateService` only:

    python client.py GENERATED ADDRESS IDENTITY < commands

GENERATED holds service_pb2.py and service_pb2_grpc.py; IDENTITY holds tls.crt, tls.key and ca.crt, or is "-" for plain text.
Each line of standard input is a command, a JSON list of a method and its request; each is answered by a line of JSON.
"""

import base64
import json
import sys
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty

sys.path.insert(0, sys.argv[1])
import service_pb2
import service_pb2_grpc


def channel(address: str, identity: str) -> grpc.Channel:
    if identity == "-":
        return grpc.insecure_channel(address)
    roots, key, chain = ((Path(identity) / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt"))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(roots, key, chain))


def answer(stub: service_pb2_grpc.CertificateServiceStub, method: str, request: dict[str, object]) -> object:
    match method:
        case "CsrTemplate":
            template = stub.CsrTemplate(Empty(), timeout=60)
            return {field.name: _plain(value) for field, value in template.ListFields()}
        case "SignCsr":
            return stub.SignCsr(service_pb2.CertificateSigningRequest(**request), timeout=60).CertificateId
        case "GetCert" | "GetKey":
            contents = getattr(stub, method)(service_pb2.FileIdentifer(**request), timeout=60).contents
            return base64.b64encode(contents).decode()
    raise ValueError(method)


def _plain(value: object) -> object:
    return value if isinstance(value, str) else list(value)


def main() -> None:
    with channel(sys.argv[2], sys.argv[3]) as opened:
        stub = service_pb2_grpc.CertificateServiceStub(opened)
        for line in sys.stdin:
            try:
                outcome = {"answer": answer(stub, *json.loads(line))}
            except grpc.RpcError as err:
                outcome = {"code": err.code().name, "details": err.details()}
            print(json.dumps(outcome), flush=True)


main()
