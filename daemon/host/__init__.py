"""What the daemon and the operating system exchange: signals, sockets, systemd, logs, exit codes."""
