"""Which other sites' pages may read our answers (CORS), from the one setting `embed_origins`.

Plain functions: headers in, headers out.
"""

from collections.abc import Collection

ANY = "*"


def for_reader(embed_origins: Collection[str], origin: str | None) -> dict[str, str]:
    """Return the headers of an answer that no cache keeps, for the one who asks."""
    if ANY in embed_origins:
        return {"Access-Control-Allow-Origin": ANY}
    if not embed_origins:
        return {}
    if origin is None or origin not in embed_origins:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": origin}


def for_everybody(embed_origins: Collection[str]) -> dict[str, str]:
    """Return the headers of an answer that shared caches hand to everybody.

    They do not tell readers apart by `Origin`, so an answer made for one site would reach others:
    several sites get what all get. Who may join is signaling's to decide.
    """
    if not embed_origins:
        return {}
    only = next(iter(embed_origins)) if len(embed_origins) == 1 else ANY
    return {"Access-Control-Allow-Origin": only}
