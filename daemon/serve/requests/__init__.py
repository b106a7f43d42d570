"""What a client may ask, checked before anything reaches the model: one model for each kind of body."""
