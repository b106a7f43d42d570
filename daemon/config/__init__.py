"""What is configured: TOML, the environment, and every sentence about a wrong key."""
