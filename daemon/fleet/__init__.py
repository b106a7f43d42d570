"""Several replicas that change generation together: what is decided, and what they share."""
