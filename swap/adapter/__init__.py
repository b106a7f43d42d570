"""What an adapter is, and whether it fits: configuration, header, names, oracle, admission."""
