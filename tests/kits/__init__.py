"""What tests share: makers of adapters and bases, stand-ins for servers, and daemons to start."""
