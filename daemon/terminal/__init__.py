"""How a person sees it in a terminal."""
