"""Bearer tokens (RFC 6750): who may speak as the broadcaster, and who may ask as the operator."""

import hmac

SCHEME = "bearer"


def presents(authorization: str | None, token: str) -> bool:
    """Say whether an `Authorization` header carries `token`, in a time that tells nothing."""
    scheme, _, presented = (authorization or "").partition(" ")
    return scheme.lower() == SCHEME and equal(presented.strip(), token)


def equal(presented: str, token: str) -> bool:
    """Say whether two texts are the same, in a time that tells nothing."""
    return hmac.compare_digest(presented.encode(errors="surrogatepass"), token.encode())
