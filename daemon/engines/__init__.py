"""What holds the model and answers with it: the protocol, and the engine in this process."""
