"""SegmentStore: the R2 bucket of the segments, its public hostname, and keys for it alone."""

import hashlib
import json
from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare

DAY_S = 24 * 60 * 60
PREFLIGHT_S = 60 * 60
ITEM_WRITE = "2efd5506f9c8494dacb1fa10a3e7d5b6"
"""permission group "Workers R2 Storage Bucket Item Write": objects of a bucket, read and write"""


@dataclass(frozen=True)
class SegmentStoreArgs:
    """Parameters of the store."""

    account_id: str
    zone_id: str
    bucket: str
    hostname: str
    """public hostname of the bucket's root, in the zone"""
    origins: tuple[str, ...]
    """sites whose pages may read it: the station's own, and those that embed the player"""
    manage_rules: bool
    """set CORS and lifecycle rules, which replaces the bucket's own"""


class SegmentStore(pulumi.ComponentResource):
    """The bucket and everything about it.

    Each object is public to anyone who knows its full name: neither R2's custom domain nor the
    disabled r2.dev address lists a bucket.
    """

    media_hostname: pulumi.Output[str]
    """known once the bucket serves it"""
    media_url: pulumi.Output[str]
    s3_endpoint: pulumi.Output[str]
    bucket_name: pulumi.Output[str]
    access_key_id: pulumi.Output[str]
    """secret"""
    secret_access_key: pulumi.Output[str]
    """secret"""

    def __init__(
        self, name: str, args: SegmentStoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("shoal:cloudflare:SegmentStore", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket = cloudflare.R2Bucket(
            f"{name}-bucket", account_id=args.account_id, name=args.bucket, opts=child
        )
        # also creates its DNS record
        domain = cloudflare.R2CustomDomain(
            f"{name}-domain",
            account_id=args.account_id,
            bucket_name=bucket.name,
            zone_id=args.zone_id,
            domain=args.hostname,
            enabled=True,
            min_tls="1.2",
            opts=child,
        )
        cloudflare.R2ManagedDomain(
            f"{name}-r2-dev",
            account_id=args.account_id,
            bucket_name=bucket.name,
            enabled=False,
            opts=child,
        )
        if args.manage_rules:
            _cors(f"{name}-cors", args, bucket, child)
            _lifecycle(f"{name}-lifecycle", args, bucket, child)
        token = _token(f"{name}-token", args, bucket, child)
        self.bucket_name = bucket.name
        self.media_hostname = domain.domain
        self.media_url = pulumi.Output.concat("https://", domain.domain)
        self.s3_endpoint = pulumi.Output.from_input(
            f"https://{args.account_id}.r2.cloudflarestorage.com"
        )
        # R2 derives S3 keys from an API token: its id, and the SHA-256 of its value
        self.access_key_id = pulumi.Output.secret(token.id)
        self.secret_access_key = pulumi.Output.secret(token.value.apply(_sha256))
        self.register_outputs(
            {
                "bucketName": self.bucket_name,
                "mediaUrl": self.media_url,
                "s3Endpoint": self.s3_endpoint,
                "accessKeyId": self.access_key_id,
                "secretAccessKey": self.secret_access_key,
            }
        )


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _cors(
    name: str,
    args: SegmentStoreArgs,
    bucket: cloudflare.R2Bucket,
    opts: pulumi.ResourceOptions,
) -> None:
    # a list is safe to cache: the edge caches one response per Origin. Next to a * it has no effect
    origins = ["*"] if "*" in args.origins else list(args.origins)
    cloudflare.R2BucketCors(
        name,
        account_id=args.account_id,
        bucket_name=bucket.name,
        rules=[
            cloudflare.R2BucketCorsRuleArgs(
                id="viewers",
                allowed=cloudflare.R2BucketCorsRuleAllowedArgs(
                    methods=["GET", "HEAD"], origins=origins, headers=["range"]
                ),
                expose_headers=["Content-Range", "Content-Length", "ETag"],
                max_age_seconds=PREFLIGHT_S,
            )
        ],
        opts=opts,
    )


def _lifecycle(
    name: str,
    args: SegmentStoreArgs,
    bucket: cloudflare.R2Bucket,
    opts: pulumi.ResourceOptions,
) -> None:
    """Make R2 delete segments that the broadcaster failed to delete."""
    cloudflare.R2BucketLifecycle(
        name,
        account_id=args.account_id,
        bucket_name=bucket.name,
        rules=[
            cloudflare.R2BucketLifecycleRuleArgs(
                id="live segments after a day",
                enabled=True,
                conditions=cloudflare.R2BucketLifecycleRuleConditionsArgs(prefix="live/"),
                delete_objects_transition=cloudflare.R2BucketLifecycleRuleDeleteObjectsTransitionArgs(
                    condition=cloudflare.R2BucketLifecycleRuleDeleteObjectsTransitionConditionArgs(
                        type="Age", max_age=DAY_S
                    )
                ),
            )
        ],
        opts=opts,
    )


def _token(
    name: str,
    args: SegmentStoreArgs,
    bucket: cloudflare.R2Bucket,
    opts: pulumi.ResourceOptions,
) -> cloudflare.AccountToken:
    """Return an account token for one bucket; it does not depend on the user who created it.

    One policy with one group: with more, the provider finds their order changed at every run.
    """
    scope = f"com.cloudflare.edge.r2.bucket.{args.account_id}_default_"
    return cloudflare.AccountToken(
        name,
        account_id=args.account_id,
        name=args.bucket,
        policies=[
            cloudflare.AccountTokenPolicyArgs(
                effect="allow",
                permission_groups=[cloudflare.AccountTokenPolicyPermissionGroupArgs(id=ITEM_WRITE)],
                resources=bucket.name.apply(lambda name: json.dumps({scope + name: "*"})),
            )
        ],
        opts=opts,
    )
