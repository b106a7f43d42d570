"""Publish an adapter from where it was trained: to a folder or a bucket that a daemon watches."""

from .callback import PublishCallback
from .sending import Place, Published, destination, publish
from .together import publish_together

__all__ = ["Place", "PublishCallback", "Published", "destination", "publish", "publish_together"]
