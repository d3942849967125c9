"""An identity provider for tests: its keys, its tokens, and tokens that others forge in its name."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://login.example/realms/tsm"
AUDIENCE = "tsm-slurm-bridge"
LEFT_OUT = object()  # a claim that the token is to lack


@cache
def private_key(key_id: str) -> Any:
    """The private key of this name: `ec…` is on P-256, all others are RSA. Made once: that takes half a second."""
    return ec.generate_private_key(ec.SECP256R1()) if key_id.startswith("ec") else rsa.generate_private_key(65537, 2048)


def public_jwk(key_id: str, **changes: Any) -> dict[str, Any]:
    """The public key of this name as a JWK; a change to `None` takes the member out."""
    algorithm: Any = jwt.algorithms.ECAlgorithm if key_id.startswith("ec") else jwt.algorithms.RSAAlgorithm
    jwk = algorithm.to_jwk(private_key(key_id).public_key(), as_dict=True)
    members = {**jwk, "kid": key_id, "use": "sig", **changes}
    return {name: value for name, value in members.items() if value is not None}


def jwks(*entries: Mapping[str, Any]) -> str:
    """A set of these keys."""
    return json.dumps({"keys": entries})


def provider_jwks() -> str:
    """The provider's: two RSA keys, one on P-256, and one that is for encryption."""
    return jwks(
        public_jwk("rsa-1"),
        public_jwk("rsa-2", alg="RS256"),
        public_jwk("ec-1"),
        public_jwk("rsa-1", kid="enc-1", use="enc", alg="RSA-OAEP"),
    )


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a token that may submit; `LEFT_OUT` leaves one out."""
    now = int(time.time())
    all_claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "dispatcher",
        "iat": now,
        "exp": now + 300,
        "scope": "openid submit read cancel",
        **changes,
    }
    return {name: value for name, value in all_claims.items() if value is not LEFT_OUT}


def signed(key_id: str = "rsa-1", header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A token with `claims(**changes)`, signed with the private key of this name."""
    algorithm = "ES256" if key_id.startswith("ec") else "RS256"
    headers = {"kid": key_id, **(header or {})}
    headers = {name: value for name, value in headers.items() if value is not LEFT_OUT}
    return jwt.encode(claims(**changes), private_key(key_id), algorithm=algorithm, headers=headers)


def put_together(header: Any, body: Any, signature: Callable[[bytes], bytes]) -> str:
    """A token of parts that no library would make; texts are taken as they are."""
    parts = (part if isinstance(part, str) else json.dumps(part) for part in (header, body))
    message = b".".join(_base64(part.encode()) for part in parts)
    return (message + b"." + _base64(signature(message))).decode()


def hmac_signature(key: bytes) -> Callable[[bytes], bytes]:
    """HS256 with this key."""
    return lambda message: hmac.new(key, message, hashlib.sha256).digest()


def _rsa_signature(message: bytes) -> bytes:
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    return algorithm.sign(message, private_key("rsa-1"))


def _pem() -> bytes:
    public_key = private_key("rsa-1").public_key()
    return bytes(public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def seconds_from_now(seconds: float) -> int:
    """A moment as claims have it (RFC 7519, NumericDate)."""
    return int(time.time() + seconds)


_RS256 = {"alg": "RS256", "kid": "rsa-1"}
_HS256 = {"alg": "HS256", "kid": "rsa-1"}

# What is no valid token of the provider, by what is wrong with it. All but the forgeries are signed by the provider.
BAD_TOKENS: dict[str, Callable[[], str]] = {
    "alg-none": lambda: put_together({"alg": "none", "kid": "rsa-1"}, claims(), lambda _: b""),
    "alg-none-with-signature": lambda: put_together({"alg": "nOnE", "kid": "rsa-1"}, claims(), _rsa_signature),
    "no-alg": lambda: put_together({"kid": "rsa-1"}, claims(), _rsa_signature),
    "alg-is-a-list": lambda: put_together({"alg": ["RS256"], "kid": "rsa-1"}, claims(), _rsa_signature),
    "hs256-with-the-public-key-as-pem": lambda: put_together(_HS256, claims(), hmac_signature(_pem())),
    "hs256-with-the-public-key-as-jwk": lambda: put_together(
        _HS256, claims(), hmac_signature(json.dumps(public_jwk("rsa-1")).encode())
    ),
    "hs256-without-secret": lambda: put_together(_HS256, claims(), hmac_signature(b"")),
    "alg-of-another-key": lambda: put_together({"alg": "ES256", "kid": "rsa-1"}, claims(), _rsa_signature),
    "key-of-another-alg": lambda: put_together({"alg": "RS256", "kid": "ec-1"}, claims(), _rsa_signature),
    "rs512": lambda: jwt.encode(claims(), private_key("rsa-1"), algorithm="RS512", headers={"kid": "rsa-1"}),
    "key-for-encryption": lambda: signed("rsa-1", {"kid": "enc-1"}),
    "forged": lambda: signed("mallory", {"kid": "rsa-1"}),
    "forged-signature-of-zeros": lambda: put_together({"alg": "ES256", "kid": "ec-1"}, claims(), lambda _: bytes(64)),
    "forged-claims": lambda: ".".join(
        (*signed().split(".")[:1], signed("mallory", sub="admin").split(".")[1], signed().split(".")[2])
    ),
    "unknown-kid": lambda: signed("mallory"),
    "kid-of-two-keys": lambda: signed("rsa-1", {"kid": LEFT_OUT}),
    "kid-is-a-number": lambda: put_together({"alg": "RS256", "kid": 1}, claims(), _rsa_signature),
    "kid-is-a-path": lambda: signed("mallory", {"kid": "../../../../dev/null"}),
    "own-key-in-the-header": lambda: signed("mallory", {"jwk": public_jwk("mallory"), "kid": LEFT_OUT}),
    "own-keys-at-jku": lambda: signed("mallory", {"jku": "https://mallory.example/jwks"}),
    "own-certificate-at-x5u": lambda: signed("mallory", {"x5u": "https://mallory.example/x509"}),
    "unknown-extension": lambda: put_together({**_RS256, "crit": ["x"], "x": 1}, claims(), _rsa_signature),
    "wrong-audience": lambda: signed(aud="another-service"),
    "wrong-audiences": lambda: signed(aud=["another-service", "account"]),
    "no-audience": lambda: signed(aud=LEFT_OUT),
    "wrong-issuer": lambda: signed(iss="https://login.example/realms/other"),
    "no-issuer": lambda: signed(iss=LEFT_OUT),
    "issuer-with-slash": lambda: signed(iss=ISSUER + "/"),
    "no-exp": lambda: signed(exp=LEFT_OUT),
    "expired": lambda: signed(exp=seconds_from_now(-60)),
    "exp-is-no-number": lambda: signed(exp="soon"),
    "exp-is-infinite": lambda: put_together(_RS256, claims(exp=float("inf")), _rsa_signature),
    "not-yet-valid": lambda: signed(nbf=seconds_from_now(120)),
    "issued-in-the-future": lambda: signed(iat=seconds_from_now(120)),
    "no-name": lambda: signed(sub=LEFT_OUT),
    "name-is-empty": lambda: signed(sub=""),
    "claim-twice": lambda: put_together(_RS256, json.dumps(claims())[:-1] + ', "sub": "admin"}', _rsa_signature),
    "header-twice": lambda: put_together('{"alg":"RS256","kid":"rsa-1","kid":"rsa-1"}', claims(), _rsa_signature),
    "claims-are-a-list": lambda: put_together(_RS256, [claims()], _rsa_signature),
    "deep-header": lambda: put_together('{"alg":"RS256","kid":' + "[" * 5000, claims(), _rsa_signature),
    "deep-claims": lambda: put_together(_RS256, '{"a":' * 1500 + "1" + "}" * 1500, _rsa_signature),
    "too-large": lambda: signed(padding="x" * 17_000),
    "without-signature": lambda: signed().rpartition(".")[0] + ".",
    "two-parts": lambda: signed().rpartition(".")[0],
    "four-parts": lambda: signed() + ".x",
    "five-parts": lambda: "a.b.c.d.e",
    "not-base64": lambda: "a.b.c",
    "garbage": lambda: "garbage",
}
