"""The base model that stays loaded, and the only way its weights change."""
