"""HTTP for clients and for the status page."""
