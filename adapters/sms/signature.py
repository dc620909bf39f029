"""Twilio's signatures over the public address and the form: made, and compared. Pure.

https://www.twilio.com/docs/usage/webhooks/webhooks-security, and for SHA-256 with a key of one's
own https://www.twilio.com/docs/usage/webhooks/webhook-shared-keys
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from urllib.parse import SplitResult, parse_qs, urlsplit

from adapters.sms.form import is_form, pairs_of
from core.channels import InboundRequest
from shared.errors import VerificationError

HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"
_HASHES = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check(request: InboundRequest, secrets: Iterable[str]) -> None:
    """Raise VerificationError unless one of the secrets signed this request."""
    given = _bytes(request.headers.get(HEADER, ""))
    algorithm = algorithm_of(request.headers.get(SETTINGS_HEADER, ""))
    keys = [secret for secret in secrets if secret]
    if not given or algorithm not in _HASHES or not keys:
        raise VerificationError
    expected = _expected(request, keys, algorithm)
    matches = [hmac.compare_digest(given, one) for one in expected]  # every one is compared
    if not any(matches):
        raise VerificationError


def _expected(request: InboundRequest, keys: Iterable[str], algorithm: str) -> list[bytes]:
    """Each signature that would do."""
    try:
        parameters = _signed_parameters(request)
        urls = list(addresses(request.url))
    except ValueError:  # no address, or a form of thousands of fields
        raise VerificationError from None
    return [_bytes(sign(key, url, parameters, algorithm)) for key in keys for url in urls]


def sign(
    secret: str, url: str, parameters: Iterable[tuple[str, str]] = (), algorithm: str = "HMAC_SHA1"
) -> str:
    """Base64 of the keyed hash over the address and the sorted names with their values."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(set(parameters)))
    digest = hmac.new(_bytes(secret), _bytes(text), _HASHES[algorithm]).digest()
    return base64.b64encode(digest).decode()


def algorithm_of(settings: str) -> str:
    """`key=…,algorithm=HMAC_SHA256`; without an algorithm the old signature is meant."""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip().upper()
    return "HMAC_SHA1"


def addresses(url: str) -> Iterator[str]:
    """The address as it is, without its port, and with the port spelled out: Twilio signs any."""
    parts = urlsplit(url)
    yield url
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    if parts.port is None:
        port = _DEFAULT_PORTS.get(parts.scheme)
        if port:
            yield _with_netloc(parts, f"{parts.netloc.rstrip(':')}:{port}")
    else:
        yield _with_netloc(parts, host)


def _with_netloc(parts: SplitResult, netloc: str) -> str:
    return parts._replace(netloc=netloc).geturl()


def _signed_parameters(request: InboundRequest) -> list[tuple[str, str]]:
    """What is signed beside the address: a form's fields; of other bodies the query has a hash."""
    if request.method == "GET":
        return []
    if is_form(request):
        return pairs_of(request.body)
    hashes = parse_qs(urlsplit(request.url).query).get("bodySHA256", [""])
    digest = hashlib.sha256(request.body).hexdigest()
    if not hmac.compare_digest(_bytes(hashes[0].lower()), digest.encode()):
        raise VerificationError
    return []


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
