"""What Cloudflare's edge keeps, and what it takes from R2 in the host's place: rules of a zone."""

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
    """Return what is eligible for the edge's cache; how long it stays, its own headers say.

    By extension neither segments nor playlists would be.
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
    """Return a rule as a Ruleset has it.

    An answer without `Cache-Control` is not kept: R2's 404 has none, and kept for three minutes it
    would hide a segment that somebody asked for too early.
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
    """Return the rule by which segments of the station's own hostname come from the bucket.

    Their paths are the bucket's keys, `live/<variant>/<segment>`.
    """
    path = 'http.request.uri.path strict wildcard "/live/*/*.ts"'
    return cloudflare.CloudConnectorRulesRuleArgs(
        cloud_connector_rules_provider="cloudflare_r2",
        description="Shoal: segments from R2",
        expression=f'http.host eq "{hostname}" and {path}',
        enabled=True,
        parameters=cloudflare.CloudConnectorRulesRuleParametersArgs(host=media_hostname),
    )
