"""Each command as a function that imports its code when it is called, so that no command pays for another's imports."""

from argparse import Namespace


def run(arguments: Namespace) -> int:
    """Run the daemon."""
    from .run import run

    return run(arguments)


def serve(arguments: Namespace) -> int:
    """Run the daemon that the command line describes."""
    from .serve import serve

    return serve(arguments)


def doctor(arguments: Namespace) -> int:
    """Find out what would go wrong."""
    from hotswapd.daemon.doctor.command import doctor

    return doctor(arguments)


def check(arguments: Namespace) -> int:
    """Check an adapter without a daemon."""
    from hotswapd.daemon.check.command import check

    return check(arguments)


def publish(arguments: Namespace) -> int:
    """Check an adapter and send it."""
    from .publish import publish

    return publish(arguments)


def completion(arguments: Namespace) -> int:
    """Print a shell's completions."""
    from .completion import completion

    return completion(arguments)


def bench(arguments: Namespace) -> int:
    """Measure what a swap costs."""
    from hotswapd.daemon.bench.command import run

    return run(arguments)


def demo(arguments: Namespace) -> int:
    """Run the demo."""
    from hotswapd.daemon.demo.command import demo

    return demo(arguments)


def fleet_deploy(arguments: Namespace) -> int:
    """Bring a fleet up."""
    from .fleet import deploy

    return deploy(arguments)


def fleet_reload(arguments: Namespace) -> int:
    """Have a fleet go by its configuration as it is now."""
    from .fleet import reload

    return reload(arguments)


def fleet_delete(arguments: Namespace) -> int:
    """Take a fleet down."""
    from .fleet import delete

    return delete(arguments)


def status(arguments: Namespace) -> int:
    """Show what is live, queued and watched."""
    from .status import status

    return status(arguments)


def history(arguments: Namespace) -> int:
    """List the swaps, or the operators' actions."""
    from .status import history

    return history(arguments)


def submit(arguments: Namespace) -> int:
    """Put an adapter on the queue."""
    from .change import submit

    return submit(arguments)


def rollback(arguments: Namespace) -> int:
    """Make a kept generation live."""
    from .change import rollback

    return rollback(arguments)


def pin(arguments: Namespace) -> int:
    """Keep what is live."""
    from .change import pin

    return pin(arguments)


def unpin(arguments: Namespace) -> int:
    """Let new adapters go live again."""
    from .change import unpin

    return unpin(arguments)


def pause(arguments: Namespace) -> int:
    """Take nothing from the queue."""
    from .change import pause

    return pause(arguments)


def resume(arguments: Namespace) -> int:
    """Take from the queue again."""
    from .change import resume

    return resume(arguments)


def ab_start(arguments: Namespace) -> int:
    """Put a kept generation beside the live one."""
    from .ab import start

    return start(arguments)


def ab_status(arguments: Namespace) -> int:
    """Show both arms side by side."""
    from .ab import status

    return status(arguments)


def ab_promote(arguments: Namespace) -> int:
    """Make the generation beside the live one live."""
    from .ab import promote

    return promote(arguments)


def ab_stop(arguments: Namespace) -> int:
    """Stop serving the generation beside the live one."""
    from .ab import stop

    return stop(arguments)


def channel_list(arguments: Namespace) -> int:
    """List the channels."""
    from .channel import listed

    return listed(arguments)


def channel_show(arguments: Namespace) -> int:
    """Show one channel."""
    from .channel import show

    return show(arguments)


def channel_remove(arguments: Namespace) -> int:
    """Remove a channel."""
    from .channel import remove

    return remove(arguments)
