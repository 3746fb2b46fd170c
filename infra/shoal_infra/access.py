"""Cloudflare Access in front of Owncast: its own player and its admin pages."""

import pulumi
import pulumi_cloudflare as cloudflare

from shoal_infra.config import Access

SESSION_DURATION = "24h"


def protect(
    name: str,
    access: Access,
    *,
    account_id: str,
    hostname: str,
    title: str,
    opts: pulumi.ResourceOptions,
) -> cloudflare.ZeroTrustAccessApplication:
    """Return the application that protects the admin hostname and two paths of the station."""
    policy = cloudflare.ZeroTrustAccessPolicy(
        f"{name}-access-policy",
        account_id=account_id,
        name=title,
        decision="allow",
        includes=[_include(email) for email in access.emails],
        session_duration=SESSION_DURATION,
        opts=opts,
    )
    protected = (access.admin_hostname, f"{hostname}/hls", f"{hostname}/admin")
    return cloudflare.ZeroTrustAccessApplication(
        f"{name}-access",
        account_id=account_id,
        name=title,
        type="self_hosted",
        domain=access.admin_hostname,
        destinations=[
            cloudflare.ZeroTrustAccessApplicationDestinationArgs(type="public", uri=uri)
            for uri in protected
        ],
        policies=[cloudflare.ZeroTrustAccessApplicationPolicyArgs(id=policy.id, precedence=1)],
        session_duration=SESSION_DURATION,
        app_launcher_visible=False,
        http_only_cookie_attribute=True,
        opts=opts,
    )


def _include(email: str) -> cloudflare.ZeroTrustAccessPolicyIncludeArgs:
    if email.startswith("@"):
        domain = cloudflare.ZeroTrustAccessPolicyIncludeEmailDomainArgs(domain=email[1:])
        return cloudflare.ZeroTrustAccessPolicyIncludeArgs(email_domain=domain)
    address = cloudflare.ZeroTrustAccessPolicyIncludeEmailArgs(email=email)
    return cloudflare.ZeroTrustAccessPolicyIncludeArgs(email=address)
