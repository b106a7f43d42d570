"""Adapters under an S3 prefix."""
