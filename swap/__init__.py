"""From an adapter directory to the weights that the resident model answers with."""
