"""From a place (folder, S3 prefix, Hub revision) to an immutable directory on local disk."""
