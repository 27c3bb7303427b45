"""Who sends a request, and whether they may: API keys, tokens and signed hooks (conventions §9)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from bridge_app.domain.access import is_experiments, is_open, required_scope
from bridge_app.domain.credentials import ApiKey, Credential, find_api_key, read_api_keys
from bridge_app.domain.signatures import Secrets, SignatureRefused, read_secrets, verify
from bridge_app.domain.tokens import TokenRefused, Tokens
from bridge_app.errors import Forbidden, SettingsError, Unauthorized
from bridge_app.settings import Settings
from bridge_app.web.bodies import read_bytes

T = TypeVar("T")

HOOKS = "/hooks"
#: What a signed hook may do without another credential.
SIGNED_SCOPES = frozenset({"hooks:write"})
_INVALID = 'Bearer realm="omninode-bridge", error="invalid_token"'


class Authenticator:
    """Finds the credential of a request and holds it against what the route needs.

    `everywhere` closes all routes but the open ones; a key of tokens closes those of the experiments.
    """

    def __init__(
        self, *, everywhere: bool, api_keys: Sequence[ApiKey], tokens: Tokens | None, signatures: "Signatures"
    ) -> None:
        self._everywhere = everywhere
        self._api_keys = api_keys
        self._tokens = tokens
        self._signatures = signatures

    async def authenticate(self, request: web.Request, now_us: int) -> Credential | None:
        """Return who sent the request; None where nobody has to say so, and nothing was signed.

        The signature of a hook is verified after the credential. Without a credential it is one itself.

        Raises:
            Unauthorized: a credential or signature is missing, wrong or expired.
            Forbidden: the credential does not reach so far.
            PayloadTooLarge, MalformedBody: the body that was signed cannot be read.
        """
        path = path_of(request)
        needed = not is_open(path) and (self._everywhere or (self._tokens is not None and is_experiments(path)))
        presented = _presented(request) if needed else None
        credential = None if presented is None else self._identify(*presented, now_us)
        if needed and credential is None and not self._signatures.may_replace_credential(request):
            raise Unauthorized("Expected an API key or a token")
        if credential is not None:
            _authorize(request, path, credential)
        signer = await self._signatures.signer(request, now_us)
        return credential or signer

    def _identify(self, presented: str, is_bearer: bool, now_us: int) -> Credential:
        key = find_api_key(self._api_keys, presented)
        if key is not None:
            if key.expires_us is not None and now_us >= key.expires_us:
                raise Unauthorized("The API key has expired", challenge=_INVALID)
            return key.credential
        if self._tokens is None or not is_bearer:
            raise Unauthorized("The credential is not valid", challenge=_INVALID)
        try:
            return self._tokens.verify(presented)
        except TokenRefused as error:
            raise Unauthorized(str(error), challenge=_INVALID) from error


class Signatures:
    """The signatures of hooks; `mode` is `off`, `optional` (one that is there must be good) or `required`."""

    def __init__(self, mode: str, secrets: Secrets, tolerance_seconds: int) -> None:
        self._mode = mode
        self._secrets = secrets
        self._tolerance = tolerance_seconds

    def may_replace_credential(self, request: web.Request) -> bool:
        """Tell whether a request is a signed hook, whose signature is going to be verified."""
        return self._applies(request) and "webhook-signature" in request.headers

    async def signer(self, request: web.Request, now_us: int) -> Credential | None:
        """Return whose good signature a hook carries, None when it needs none and has none.

        Raises:
            Unauthorized: it is missing, malformed, wrong or too old.
            PayloadTooLarge, MalformedBody: the body cannot be read.
        """
        if not self._applies(request) or (self._mode == "optional" and "webhook-signature" not in request.headers):
            return None
        body = await read_bytes(request)
        try:
            source = verify(
                self._secrets, request.headers, body, now=now_us / 1_000_000, tolerance=float(self._tolerance)
            )
        except SignatureRefused as error:
            raise Unauthorized(str(error)) from error
        return Credential(source, None, SIGNED_SCOPES)

    def _applies(self, request: web.Request) -> bool:
        path = path_of(request)
        is_hook = path == HOOKS or path.startswith(f"{HOOKS}/")
        return self._mode != "off" and request.method == "POST" and is_hook


def path_of(request: web.Request) -> str:
    """Return the route's template as the router matched it; where nothing matched, the path as it was sent."""
    resource = request.match_info.route.resource
    return request.path if resource is None else resource.canonical


def _presented(request: web.Request) -> tuple[str, bool] | None:
    """Return what was presented, and whether as the bearer of it: only so it may be a token."""
    headers = request.headers
    for name in ("X-API-Key", "X-Service-Auth"):
        if name in headers:
            return headers[name], False
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    return (value.strip(), True) if scheme.lower() == "bearer" else None


def _authorize(request: web.Request, path: str, credential: Credential) -> None:
    """Raise Forbidden when the credential lacks the scope; a path that does not exist needs none."""
    missed = request.match_info.http_exception
    if missed is not None and missed.status == 404:
        return
    required = required_scope(request.method, path)
    if required not in credential.scopes:
        raise Forbidden(required, credential.scopes)


def create_authenticator(settings: Settings) -> Authenticator:
    """Read keys and secrets from their files, once.

    Raises:
        SettingsError: naming the variable and what is wrong in the file.
    """
    api_keys = _read("BRIDGE_API_KEYS_FILE", settings.api_keys_file, read_api_keys) or ()
    secrets = _read("WEBHOOK_SECRETS_FILE", settings.webhook_secrets_file, read_secrets) or {}
    if settings.webhook_signatures == "required" and not secrets:
        raise SettingsError("WEBHOOK_SIGNATURES=required: WEBHOOK_SECRETS_FILE names no secret, no hook could come in")
    return Authenticator(
        everywhere=settings.auth_enabled,
        api_keys=api_keys,
        tokens=_tokens(settings),
        signatures=Signatures(settings.webhook_signatures, secrets, settings.webhook_tolerance_seconds),
    )


def _tokens(settings: Settings) -> Tokens | None:
    issuer, audience = settings.jwt_issuer, settings.jwt_audience
    if settings.jwt_secret:
        return Tokens.of_secret(settings.jwt_secret, issuer=issuer, audience=audience)
    return _read(
        "JWT_PUBLIC_KEY_FILE",
        settings.jwt_public_key_file,
        lambda pem: Tokens.of_public_key(pem, issuer=issuer, audience=audience),
    )


def _read(variable: str, path: Path | None, parse: Callable[[bytes], T]) -> T | None:
    if path is None:
        return None
    try:
        return parse(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{variable}={path}: {reason}") from error


__all__ = ["Authenticator", "Signatures", "create_authenticator", "path_of"]
