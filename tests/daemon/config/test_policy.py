"""When a verdict does not hold any more."""

from hotswapd.daemon.config.channels import ChannelTable
from hotswapd.daemon.config.policy import Policy, policy_fingerprint, policy_of
from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.tables import Admission, Model, Serve
from hotswapd.daemon.config.verify import Verify

MODEL = Model(base="b")


def test_the_fingerprint_is_that_of_contract_and_policy() -> None:
    """Another contract, other gates or another admission give another one; what serves does not matter."""
    plain = policy_fingerprint("c", Settings(model=MODEL))
    others = [
        policy_fingerprint("d", Settings(model=MODEL)),
        policy_fingerprint("c", Settings(model=MODEL, verify=Verify(max_loss=0.6))),
        policy_fingerprint("c", Settings(model=MODEL, admission=Admission(base_models=("x",)))),
    ]
    assert len({plain, *others}) == 4
    assert policy_fingerprint("c", Settings(model=MODEL, serve=Serve(max_queue=1))) == plain


def test_a_policy_tells_whether_it_changed() -> None:
    """Until the contract is known it is empty, which no verdict has."""
    policy = Policy()
    assert policy.of("default") == ""
    assert policy.renew(Policy("a"))
    assert not policy.renew(Policy("a"))
    assert policy.of("default") == "a"
    assert policy.renew(Policy("a", {"support": "b"}))
    assert (policy.of("default"), policy.of("support")) == ("a", "b")


def test_the_policy_of_a_channel_is_its_own() -> None:
    """A table of its own changes the fingerprint of that channel and of no other."""
    strict = ChannelTable(name="support", verify=Verify(max_loss=0.1))
    plain, other = policy_of("c", Settings(model=MODEL)), policy_of("c", Settings(model=MODEL, channel=(strict,)))
    assert plain.of("support") == plain.of("default") == other.of("default") == other.of("sales")
    assert other.of("support") not in ("", other.of("default"))
