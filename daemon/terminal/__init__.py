"""How a person sees the daemon in a terminal."""
