"""What is remembered: every adapter, every verdict, every generation."""
