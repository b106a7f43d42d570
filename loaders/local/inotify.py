"""One running inotify observer, made with watchdog, that also reports what watchdog itself ignores."""

import errno
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

from watchdog import events
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import CallbackId, InotifyEvent, InotifyFD, Mask, WatchCallback, WatchDescriptor

from hotswapd.loaders.bell import Bell

from .mounts import MountAlarm

log = logging.getLogger(__name__)

_JOIN_SECONDS = 5.0
# Comes for each watched inode when its file system is unmounted; watchdog does not know it.
_IN_UNMOUNT = 0x2000
# A directory that appears while another is being added is registered twice, which is harmless.
warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)
# The events that a writer causes. Reading is not among them: the scan itself reads.
_EVENTS: list[type[events.FileSystemEvent]] = [
    events.FileCreatedEvent,
    events.FileMovedEvent,
    events.FileModifiedEvent,
    events.FileAttribEvent,
    events.FileClosedEvent,
    events.FileDeletedEvent,
    events.DirCreatedEvent,
    events.DirMovedEvent,
    events.DirAttribEvent,
    events.DirDeletedEvent,
]


class _Descriptor(InotifyFD):
    """An inotify descriptor that reports lost events, an unmount, and watches that were not granted."""

    def __init__(self, bell: Bell) -> None:
        super().__init__()
        self.bell = bell
        self.limited = False
        self.unmounted = False

    def run(self) -> None:
        with _noticed(self.bell, "reads"):
            super().run()

    def handle_event(self, event: InotifyEvent) -> None:
        if event.mask & _IN_UNMOUNT:
            self.unmounted = True
            self.bell.ring()
        if event.is_queue_overflow:
            self.bell.ring()
        super().handle_event(event)

    def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        try:
            return super().add_callback(path, mask, callback, id_)
        except OSError as error:
            if error.errno == errno.ENOSPC and not self.limited:
                self.limited = True
                log.warning(
                    "no inotify watch was left for %s: raise fs.inotify.max_user_watches; until then only scans see it",
                    os.fsdecode(path),
                )
            raise


class _Watches(InotifyWatchGroup):
    """watchdog's watches of one tree, where two may have one path.

    A directory that is moved out of the tree keeps its watch and its path, and another may take that path. watchdog
    forgets the path with the first of the two, and raises KeyError for the second: in the thread that reads, in the
    emitter's when the root is removed, or in whoever stops the observer, which then leaves its threads behind.
    """

    def _remove_watch_internally(self, wd: WatchDescriptor) -> None:
        with suppress(KeyError):
            super()._remove_watch_internally(wd)


class _Emitter(InotifyEmitter):
    """watchdog's emitter, whose end by an error is noticed."""

    def on_thread_start(self) -> None:
        self._inotify = _Watches(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            self.get_event_mask_from_filter(),
            is_recursive=self.watch.is_recursive,
        )

    def run(self) -> None:
        descriptor = self._inotify_fd
        with _noticed(descriptor.bell, "emits") if isinstance(descriptor, _Descriptor) else nullcontext():
            super().run()


@contextmanager
def _noticed(bell: Bell, does: str) -> Iterator[None]:
    """Ring when a thread ends by an error: the scan that follows finds it dead, and watches again."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, the thread is gone
        log.warning("the thread that %s events of a watch ended by %s: %s", does, type(error).__name__, error)
        bell.ring()


class _Ringer(events.FileSystemEventHandler):
    """Rings for every event; an exception here would end watchdog's thread."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def dispatch(self, event: events.FileSystemEvent) -> None:
        self._bell.ring()


class Observer:
    """A started observer with its own inotify descriptor. Every method may be called on any thread."""

    def __init__(self, path: str, bell: Bell) -> None:
        """Watch `path` and everything below it from now on. Raises OSError."""
        self._path = path
        self._fd = _Descriptor(bell)
        self._observer = BaseObserver(_Emitter, inotify_fd=self._fd)
        try:
            self._mounts = MountAlarm(path, bell.ring)
        except BaseException:
            self._stop_threads()
            raise
        try:
            self._fd.start()
            self._observer.start()
            self._observer.schedule(_Ringer(bell), path, recursive=True, event_filter=_EVENTS)
        except BaseException:
            self.stop()
            raise

    @property
    def limited(self) -> bool:
        """Whether some directory could not be watched."""
        return self._fd.limited

    def alive(self) -> bool:
        """Return whether every thread that an event passes through is alive, and the mounts are those of the start."""
        threads = [self._observer, self._fd, *self._observer.emitters]
        if self._fd.unmounted or self._mounts.changed():
            log.warning("a file system was mounted or unmounted at %s", self._path)
            return False
        return len(threads) > 2 and all(thread.is_alive() for thread in threads)

    def stop(self) -> None:
        """Stop the threads and wait for them, five seconds each at most."""
        self._mounts.stop()
        self._stop_threads()

    def _stop_threads(self) -> None:
        for thread in (self._observer, self._fd):
            thread.stop()
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(_JOIN_SECONDS)
