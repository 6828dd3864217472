"""Whether a request comes from someone who knows the secret of a hook."""

import hashlib
import hmac
import re
from collections.abc import Mapping

from standardwebhooks import Webhook as Signer

from balancer.hooks.hook import Hook, Verify

GITHUB_SIGNATURE = "X-Hub-Signature-256"
_HEX = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)
_STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
IDS: Mapping[Verify, str] = {
    Verify.STANDARD: "webhook-id",
    Verify.GITHUB: "X-GitHub-Delivery",
    Verify.BEARER: "Idempotency-Key",
}
"""The header that names a delivery, the same in each of its repetitions."""


def shows_secret(hook: Hook, headers: Mapping[str, str]) -> bool:
    """Whether the header alone may be that of a sender: what is read before the body.

    Of a signature that is its form only; of `bearer` the whole proof.
    """
    match hook.verify:
        case Verify.BEARER:
            given = headers.get("Authorization", "")
            scheme, _, rest = given.partition(" ")
            key = (rest if scheme.lower() == "bearer" else given).strip()
            return _is_one_of(key.encode("utf-8", "surrogateescape"), hook.secrets)
        case Verify.GITHUB:
            return _HEX.fullmatch(headers.get(GITHUB_SIGNATURE, "")) is not None
        case Verify.STANDARD:
            return all(headers.get(name) for name in _STANDARD)


def is_signed(hook: Hook, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the body is signed with a secret of the hook, and recently where the form has a time.

    True for `bearer`, which signs nothing. Looks at the bytes only: nothing is parsed.
    """
    match hook.verify:
        case Verify.BEARER:
            return True
        case Verify.GITHUB:
            given = headers.get(GITHUB_SIGNATURE, "").removeprefix("sha256=").encode()
            return any(
                hmac.compare_digest(
                    hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode(), given
                )
                for secret in hook.secrets
            )
        case Verify.STANDARD:
            named = {name: headers.get(name, "") for name in _STANDARD}
            return any(_verified(secret, body, named) for secret in hook.secrets)


def _verified(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Signer(secret).verify(body, headers, json_parse=False)
    except Exception:  # the library raises whatever decoding a forged header raises
        return False
    return True


def _is_one_of(key: bytes, secrets: tuple[str, ...]) -> bool:
    # Hashes, as the time of a comparison tells the length.
    given = hashlib.sha256(key).digest()
    return any(
        hmac.compare_digest(given, hashlib.sha256(secret.encode()).digest()) for secret in secrets
    )
