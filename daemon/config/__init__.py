"""The configuration: TOML, the environment, and every sentence about a wrong key."""
