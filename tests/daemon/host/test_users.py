"""What a user is called."""

from hotswapd.daemon.host.users import user_name


def test_a_user_is_named_and_a_number_without_a_name_is_shown() -> None:
    assert user_name(0) == "root"
    assert user_name(987_654_321) == "user 987654321"
