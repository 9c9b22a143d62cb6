"""CA keys in a PKCS#11 token, such as a hardware security module: made there, signing there, never seen here.

- An authority's key has the label `chancery-` and its authority's id, on the private and on the public object.
- Keys that were made before a token was named stay where they are, and are found there: they leave with the next rotation.
- One session, one signature at a time, in a thread of its own: modules that use OpenSSL, as SoftHSM does, leave errors in the queue
  of the thread that calls them, and TLS in that thread would take them for its own.
- A session that the token has ended is opened again, once for each signature; a PIN that was refused is never tried again, since
  tokens lock themselves.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from ca.ambient import Entropy, Secrets
from ca.data_directory import read_private_file
from ca.errors import Pkcs11Refused, Pkcs11Unavailable
from ca.keys import AuthorityKeys
from ca.pkcs11_keys import TokenEcKey, TokenKey, TokenRsaKey
from ca.settings import ServeSettings
from certs.errors import UnsupportedKeyType
from certs.keys import KeyType, PrivateKey

if TYPE_CHECKING:
    import pkcs11

T = TypeVar("T")
Arguments = ParamSpec("Arguments")

_THREAD = "pkcs11-token"

_LABEL = "chancery-"
_NEW = "chancery-new-"
_CURVES: Mapping[KeyType, str] = {
    KeyType.EC_P256: "secp256r1",
    KeyType.EC_P384: "secp384r1",
    KeyType.EC_P521: "secp521r1",
}
_RSA_BITS: Mapping[KeyType, int] = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}

_log = structlog.get_logger("chancery.pkcs11")


def _in_its_thread(
    method: Callable[Concatenate["Pkcs11Token", Arguments], T],
) -> Callable[Concatenate["Pkcs11Token", Arguments], T]:
    @wraps(method)
    def run(token: "Pkcs11Token", /, *arguments: Arguments.args, **named: Arguments.kwargs) -> T:
        if threading.current_thread().name.startswith(_THREAD):
            return method(token, *arguments, **named)
        return token.thread.submit(method, token, *arguments, **named).result()

    return run


class Pkcs11Token:
    """A token that has been logged in to. Thread-safe."""

    def __init__(self, module: str, label: str, pin: str, entropy: Entropy) -> None:
        """Raises Pkcs11Refused."""
        self._module = module
        self._label = label
        self._pin = pin
        self._entropy = entropy
        self._handles: dict[str, Any] = {}
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=_THREAD)
        try:
            self._session = self.thread.submit(self._open).result()
        except BaseException:
            self.thread.shutdown()
            raise

    def close(self) -> None:
        self._handles.clear()
        self.thread.submit(self._session.close).result()
        self.thread.shutdown()

    @_in_its_thread
    def make(self, key_type: KeyType) -> PrivateKey:
        """A key that is born in the token, under a passing label until `name` gives it its own.

        Raises UnsupportedKeyType, Pkcs11Refused.
        """
        from pkcs11 import Attribute, MechanismFlag  # noqa: PLC0415 - loaded only where a token is used
        from pkcs11 import KeyType as TokenKeyType  # noqa: PLC0415 - as above
        from pkcs11.util.ec import encode_named_curve_parameters  # noqa: PLC0415 - as above

        key_id = self._entropy(16)
        given: dict[str, Any] = {
            "id": key_id,
            "label": f"{_NEW}{key_id.hex()}",
            "store": True,
            "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
            "private_template": {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
        }
        with _refusals("make a key"):
            if key_type in _CURVES:
                parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[key_type])}
                curve = self._session.create_domain_parameters(TokenKeyType.EC, parameters, local=True)
                curve.generate_keypair(**given)
            elif key_type in _RSA_BITS:
                self._session.generate_keypair(TokenKeyType.RSA, _RSA_BITS[key_type], **given)
            else:
                supported = ", ".join([*_CURVES, *_RSA_BITS])
                raise UnsupportedKeyType(f"no keys of type {key_type} are made in a token, choose one of {supported}")
        return self._key(given["label"])

    @_in_its_thread
    def name(self, key: TokenKey, authority_id: str) -> None:
        """Gives a key that `make` made to an authority."""
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - as above

        label = f"{_LABEL}{authority_id}"
        with _refusals("label a key"):
            for kind in (ObjectClass.PUBLIC_KEY, ObjectClass.PRIVATE_KEY):  # it counts once its private half is named
                self._object(key.label, kind)[Attribute.LABEL] = label
            self._handles.pop(key.label, None)
            key.label = label

    @_in_its_thread
    def take_in(self, key: PrivateKey, authority_id: str) -> None:
        """Brings a key that was made elsewhere into the token. Raises UnsupportedKeyType, Pkcs11Refused."""
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - as above

        public, private = _attributes(key)
        shared = {
            Attribute.TOKEN: True,
            Attribute.ID: self._entropy(16),
            Attribute.LABEL: f"{_LABEL}{authority_id}",
        }
        kept = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.SIGN: True}
        with _refusals("take in a key that was made elsewhere"):
            for kind in (ObjectClass.PUBLIC_KEY, ObjectClass.PRIVATE_KEY):
                for old in self._session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: shared[Attribute.LABEL]}):
                    old.destroy()
            self._session.create_object(public | shared | {Attribute.VERIFY: True, Attribute.PRIVATE: False})
            self._session.create_object(private | shared | kept)

    def get(self, authority_id: str) -> PrivateKey:
        """Raises Pkcs11Refused where there is none."""
        return self._key(f"{_LABEL}{authority_id}")

    @_in_its_thread
    def ids(self) -> Sequence[str]:
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - as above

        with _refusals("list its keys"):
            labels = [
                str(one[Attribute.LABEL])
                for one in self._session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
            ]
        named = (label for label in labels if label.startswith(_LABEL) and not label.startswith(_NEW))
        return sorted(label.removeprefix(_LABEL) for label in named)

    @_in_its_thread
    def _key(self, label: str) -> TokenKey:
        from pkcs11 import Attribute, Mechanism, ObjectClass  # noqa: PLC0415 - as above
        from pkcs11.util.ec import encode_ec_public_key  # noqa: PLC0415 - as above
        from pkcs11.util.rsa import encode_rsa_public_key  # noqa: PLC0415 - as above

        with _refusals(f"find the key {label}"):
            found = self._object(label, ObjectClass.PUBLIC_KEY)
            self._object(label, ObjectClass.PRIVATE_KEY)
            is_rsa = found[Attribute.KEY_TYPE].name == "RSA"
            public = load_der_public_key(encode_rsa_public_key(found) if is_rsa else encode_ec_public_key(found))
        if isinstance(public, rsa.RSAPublicKey):
            key: TokenKey = TokenRsaKey(label, public, lambda data: self._sign(key, data, Mechanism.SHA256_RSA_PKCS))
        elif isinstance(public, ec.EllipticCurvePublicKey):
            key = TokenEcKey(label, public, lambda data: self._sign(key, data, Mechanism.ECDSA))
        else:
            raise Pkcs11Refused(f"the key {label} in the token is of a kind that signs nothing here")
        return key

    @_in_its_thread
    def _sign(self, key: TokenKey, data: bytes, mechanism: object) -> bytes:
        """Raises Pkcs11Unavailable."""
        from pkcs11 import PKCS11Error  # noqa: PLC0415 - as above

        try:
            try:
                return self._sign_once(key, data, mechanism)
            except _lost_sessions() as err:
                _log.warning("session with the token lost; opening another", error=type(err).__name__)
                self._handles.clear()
                self._session = self._open()
                return self._sign_once(key, data, mechanism)
        except (PKCS11Error, Pkcs11Refused) as err:
            raise Pkcs11Unavailable(
                f"the token does not sign now ({type(err).__name__}); look whether it is there, and try again"
            ) from err

    def _sign_once(self, key: TokenKey, data: bytes, mechanism: object) -> bytes:
        from pkcs11 import ObjectClass  # noqa: PLC0415 - as above

        handle = self._handles.get(key.label)
        if handle is None:
            handle = self._handles[key.label] = self._object(key.label, ObjectClass.PRIVATE_KEY)
        return bytes(handle.sign(data, mechanism=mechanism))

    def _object(self, label: str, kind: object) -> Any:
        from pkcs11 import Attribute, NoSuchKey  # noqa: PLC0415 - as above

        found = list(self._session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))
        if len(found) != 1:
            raise NoSuchKey(f"{len(found)} objects of that label")
        return found[0]

    def _open(self) -> "pkcs11.Session":
        import pkcs11  # noqa: PLC0415 - as above

        try:
            token = pkcs11.lib(self._module).get_token(token_label=self._label)
        except (
            RuntimeError
        ) as err:  # the library's errors are of this kind, and so is that of a module which cannot be loaded
            raise Pkcs11Refused(
                f"there is no token {self._label!r} behind {self._module}: {_said(err)}; look at pkcs11_module and pkcs11_token"
            ) from err
        try:
            return token.open(rw=True, user_pin=self._pin)
        except pkcs11.PKCS11Error as err:
            raise Pkcs11Refused(
                f"the token {self._label!r} lets nobody in: {_said(err)}; check the PIN before you try again, as tokens lock"
            ) from err


class TokenKeys:
    """Keys of authorities in a token; those that were there before stay `at_rest`."""

    def __init__(self, token: Pkcs11Token, at_rest: AuthorityKeys) -> None:
        self._token = token
        self._at_rest = at_rest

    def put(self, authority_id: str, key: PrivateKey) -> None:
        """Durable once it returns."""
        if isinstance(key, TokenEcKey | TokenRsaKey):
            self._token.name(key, authority_id)
        else:
            self._token.take_in(key, authority_id)

    def get(self, authority_id: str) -> PrivateKey:
        return self._token.get(authority_id) if authority_id in self._token.ids() else self._at_rest.get(authority_id)

    def has(self, authority_id: str) -> bool:
        return authority_id in self._token.ids() or self._at_rest.has(authority_id)

    def ids(self) -> Sequence[str]:
        return sorted({*self._token.ids(), *self._at_rest.ids()})


@contextmanager
def opened_token(settings: ServeSettings, secrets: Secrets, entropy: Entropy) -> Iterator[Pkcs11Token | None]:
    """The token that the settings name; None where they name none. Raises Pkcs11Refused, LooseFileMode, KeyFileMissing."""
    storage = settings.storage
    if storage.pkcs11_module is None:
        yield None
        return
    if storage.pkcs11_pin_file is not None:
        pin = read_private_file(storage.pkcs11_pin_file.expanduser(), group_may_read=True)
    else:
        pin = secrets.pkcs11_pin or b""
    pin = pin.strip(b"\r\n")
    if not pin:
        raise Pkcs11Refused(
            "the PIN of the token is not given; name a file with pkcs11_pin_file, or set CHANCERY_PKCS11_PIN"
        )
    token = Pkcs11Token(str(storage.pkcs11_module), storage.pkcs11_token, pin.decode(), entropy)
    try:
        yield token
    finally:
        token.close()


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    from pkcs11 import PKCS11Error  # noqa: PLC0415 - as above

    try:
        yield
    except PKCS11Error as err:
        raise Pkcs11Refused(f"the token does not {what}: {_said(err)}") from err


def _lost_sessions() -> tuple[type[Exception], ...]:
    from pkcs11 import exceptions  # noqa: PLC0415 - as above

    return (
        exceptions.SessionHandleInvalid,
        exceptions.SessionClosed,
        exceptions.UserNotLoggedIn,
        exceptions.KeyHandleInvalid,
        exceptions.ObjectHandleInvalid,
        exceptions.DeviceRemoved,
    )


def _attributes(key: PrivateKey) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Of the public and the private object. Raises UnsupportedKeyType."""
    from pkcs11.util.ec import decode_ec_private_key, decode_ec_public_key  # noqa: PLC0415 - as above
    from pkcs11.util.rsa import decode_rsa_private_key, decode_rsa_public_key  # noqa: PLC0415 - as above

    traditional = (Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return decode_ec_public_key(public), decode_ec_private_key(key.private_bytes(*traditional))
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        return decode_rsa_public_key(public), decode_rsa_private_key(key.private_bytes(*traditional))
    raise UnsupportedKeyType("only EC and RSA keys go into a token, bring one of these")


def _said(err: Exception) -> str:
    return str(err) or type(err).__name__
