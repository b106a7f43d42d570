"""What this machine's user database calls a user."""

import pwd


def user_name(uid: int) -> str:
    """Return a user's name, or its number in words if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
