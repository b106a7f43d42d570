"""What the daemon remembers: every adapter, every verdict, every generation."""
