"""JSON Web Tokens: verified with one key, read as a credential (conventions §9)."""

from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bridge_app.domain.credentials import DEFAULT_ROLE, Credential, scopes_of

LEEWAY_SECONDS = 30

_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


class TokenRefused(Exception):
    """A token is no token of ours; the text says why and holds nothing of it."""


class Tokens:
    """Verifies tokens with one key. An empty `issuer` or `audience` takes any."""

    def __init__(self, key: Any, algorithms: tuple[str, ...], *, issuer: str = "", audience: str = "") -> None:
        self._key = key
        self._algorithms = algorithms
        self._issuer = issuer or None
        self._audience = audience or None

    @classmethod
    def of_secret(cls, secret: str, *, issuer: str = "", audience: str = "") -> "Tokens":
        """Return the verifier of tokens signed with HS256."""
        return cls(secret, ("HS256",), issuer=issuer, audience=audience)

    @classmethod
    def of_public_key(cls, pem: bytes, *, issuer: str = "", audience: str = "") -> "Tokens":
        """Return the verifier of tokens signed with the private key of a public one, by the algorithm of its kind.

        Raises:
            ValueError: no PEM public key, or of a kind that signs no tokens.
        """
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("expected a public key in PEM") from error
        return cls(key, _algorithms_of(key), issuer=issuer, audience=audience)

    def verify(self, token: str) -> Credential:
        """Return whose token it is. `exp` is required; times may be 30 s off.

        Raises:
            TokenRefused: it is malformed, expired, not yet valid, signed by others or for others.
        """
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=list(self._algorithms),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp"], "verify_aud": self._audience is not None},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenRefused("The token has expired") from error
        except (jwt.PyJWTError, ValueError) as error:  # ValueError: bytes of a header that are no text
            raise TokenRefused("The token is not valid") from error
        return _credential(claims)


def _algorithms_of(key: object) -> tuple[str, ...]:
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return (_CURVES[key.curve.name],)
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return ("EdDSA",)
    raise ValueError("expected an RSA, an elliptic-curve or an Edwards-curve key")


def _credential(claims: dict[str, Any]) -> Credential:
    tenant = claims.get("tenant_id")
    if tenant is not None and not isinstance(tenant, str):
        raise TokenRefused("tenant_id is no text")
    roles, scopes = _texts(claims, "roles"), _texts(claims, "scopes")
    if roles is None and scopes is None:
        roles = [DEFAULT_ROLE]
    own_id = claims.get("sub") or claims.get("jti") or "jwt"
    return Credential(own_id, tenant or None, scopes_of(roles or (), scopes or ()))


def _texts(claims: dict[str, Any], name: str) -> list[str] | None:
    found = claims.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise TokenRefused(f"{name} is no list of texts")
    return found
