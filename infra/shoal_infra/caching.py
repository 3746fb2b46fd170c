"""Zone rules: what Cloudflare's edge caches, and what it fetches from R2 instead of the host."""

from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare


@dataclass(frozen=True)
class EdgeRule:
    """One rule in Cloudflare's rule language."""

    ref: str
    description: str
    expression: str


def cache_rules(hostname: str, media_hostname: str) -> tuple[EdgeRule, ...]:
    """Return the rules for what the edge may cache, for as long as its own headers say.

    By their file extensions alone, neither segments nor playlists would be cached.
    """
    return (
        EdgeRule(
            "shoal_segments",
            "Shoal: segments, for ever as their headers say",
            f'http.host eq "{media_hostname}"',
        ),
        EdgeRule(
            "shoal_playlists",
            "Shoal: playlists, a second as their headers say",
            f'http.host eq "{hostname}" and starts_with(http.request.uri.path, "/live/")',
        ),
    )


def ruleset_rule(rule: EdgeRule) -> cloudflare.RulesetRuleArgs:
    """Return a rule in the form of a Ruleset.

    A response without `Cache-Control` is not cached: R2's 404 has none, and if it were cached for
    three minutes, it would hide a segment that was requested too early.
    """
    return cloudflare.RulesetRuleArgs(
        ref=rule.ref,
        description=rule.description,
        expression=rule.expression,
        action="set_cache_settings",
        enabled=True,
        action_parameters=cloudflare.RulesetRuleActionParametersArgs(
            cache=True,
            edge_ttl=cloudflare.RulesetRuleActionParametersEdgeTtlArgs(mode="bypass_by_default"),
            browser_ttl=cloudflare.RulesetRuleActionParametersBrowserTtlArgs(mode="respect_origin"),
        ),
    )


def connector_rule(
    hostname: str, media_hostname: pulumi.Input[str]
) -> cloudflare.CloudConnectorRulesRuleArgs:
    """Return the rule that serves segments of the station's own hostname from the bucket.

    Their paths are the keys of the bucket, `live/<variant>/<segment>`.
    """
    path = 'http.request.uri.path strict wildcard "/live/*/*.ts"'
    return cloudflare.CloudConnectorRulesRuleArgs(
        cloud_connector_rules_provider="cloudflare_r2",
        description="Shoal: segments from R2",
        expression=f'http.host eq "{hostname}" and {path}',
        enabled=True,
        parameters=cloudflare.CloudConnectorRulesRuleParametersArgs(host=media_hostname),
    )
