"""A station's host at AWS, its bucket and its public edge at Cloudflare."""
