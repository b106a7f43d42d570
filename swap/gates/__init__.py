"""One file per gate, and the verifier that runs them in order."""
