"""What it costs that every row has its own generation: the parts of the measurement ``mixing``, one file each."""
