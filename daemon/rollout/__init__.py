"""Canary and A/B: a second generation beside the live one."""
