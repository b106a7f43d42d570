"""What the operating system hears and says: signals, sockets, systemd, logs, exit codes."""
