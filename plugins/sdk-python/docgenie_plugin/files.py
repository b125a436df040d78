"""What an exporter writes, and the files that a plugin carries."""

from typing import Any, Union

from .documents import Page

Content = Union[str, bytes, bytearray]
"""Text is written as UTF-8."""

# The host's functions; the entry of a kind hands over those that its plugins have.
host: Any = None

_REFUSALS = {
    "BadPath": "a path cannot be used: {}",
    "Exists": "a file cannot be written again: {}",
    "OverQuota": "the dataset has grown too large: {}",
    "Io": "a file cannot be written: {}",
}


class File:
    """A file of the dataset that grows by what is written. Leaving its ``with`` block ends it."""

    def __init__(self, path: str) -> None:
        self._file = _putting(host.create, path)

    def write(self, content: Content) -> None:
        """Adds this at its end."""
        _putting(self._file.write, _bytes(content))

    def close(self) -> None:
        """Ends it."""
        self._file.__exit__(None, None, None)

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(path: str) -> File:
    """Begins a file of the dataset. Paths are relative, with ``/``, and each is written once."""
    return File(path)


def put(path: str, content: Content) -> None:
    """Writes a whole file."""
    _putting(host.put, path, _bytes(content))


def put_image(path: str, page: Page, format: str = "png") -> None:
    """Writes the page's image as ``png`` or ``jpeg``. It does not pass through the plugin."""
    _putting(host.put_image, path, page.handle, format)


def asset(name: str) -> bytes:
    """A file that the plugin's folder has and its manifest names under ``wants.assets``."""
    return saying(host.read, name)


def saying(ask: Any, *args: Any) -> Any:
    """Asks the host; what it refuses becomes an exception with its reason."""
    try:
        return ask(*args)
    except Exception as refusal:
        why = getattr(refusal, "value", None)
        raise OSError(why) from None if isinstance(why, str) else refusal


def _putting(ask: Any, *args: Any) -> Any:
    try:
        return ask(*args)
    except Exception as refusal:
        why = getattr(refusal, "value", None)
        case = type(why).__name__.removeprefix("Refusal_")
        if case not in _REFUSALS:
            raise
        raise OSError(_REFUSALS[case].format(why.value)) from None


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else bytes(content)
