"""A station's host on AWS, and its bucket and public edge at Cloudflare."""
