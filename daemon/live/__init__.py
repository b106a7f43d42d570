"""What is live, and the one way in which that changes."""
