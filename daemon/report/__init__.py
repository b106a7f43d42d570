"""What is reported of a change: log lines, metrics, verdicts, pictures."""
