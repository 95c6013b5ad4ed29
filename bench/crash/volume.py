"""A small file system of its own that can lose power or run full. Linux, and root for the mounts."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32): ext4 and xfs end at once
_NO_LOG_FLUSH = 2  # what the journal has not written is lost
_BYTES = 160 << 20
FILLER = "filler"


class NoVolumeError(Exception):
    """This machine cannot mount one; says why."""


class Volume:
    """An ext4 file system in a file, mounted at `root`."""

    def __init__(self, folder: Path) -> None:
        self._image, self.root = folder / "volume.img", folder / "volume"
        self.root.mkdir()

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Made anew and mounted; unmounted at the end. Raises NoVolumeError."""
        with self._image.open("wb") as image:
            image.truncate(_BYTES)
        _command("mkfs.ext4", "-q", "-F", str(self._image))
        self._mount()
        try:
            yield
        finally:
            _command("umount", str(self.root))

    def power_cut(self) -> None:
        """Everything that was not made durable is gone; it is mounted again."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)
        _command("umount", str(self.root))
        self._mount()

    def fill(self, leave_bytes: int) -> Path:
        """A file that takes all the room but so much; removing it gives it back."""
        filler = self.root / FILLER
        free = os.statvfs(self.root)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - leave_bytes, 1))
        return filler

    def _mount(self) -> None:
        _command("mount", "-o", "loop", str(self._image), str(self.root))


def _command(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NoVolumeError(f"there is no {command[0]}") from None
    except subprocess.CalledProcessError as error:
        raise NoVolumeError(f"{command[0]}: {error.stderr.strip()}") from None
