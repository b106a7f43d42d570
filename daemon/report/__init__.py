"""What is said of a change: logs, metrics, verdicts, pictures."""
