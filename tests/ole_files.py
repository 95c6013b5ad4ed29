"""Writes OLE containers, for files that no program here writes."""

import struct
from itertools import pairwise

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def ole_file(streams):
    """A container of `{path: bytes}`, paths with slashes between their steps.

    Streams under 4096 bytes go to the mini stream, as the format wants it.
    """
    tree = {}
    for path, data in streams.items():
        *storages, name = path.split("/")
        at = tree
        for storage in storages:
            at = at.setdefault(storage, {})
        at[name] = data
    sectors, fat, mini, mini_fat, entries = [], [], bytearray(), [], []

    def store(data):
        count = (len(data) + 511) // 512
        first = len(sectors)
        for i in range(count):
            sectors.append(data[512 * i : 512 * i + 512].ljust(512, b"\0"))
            fat.append(first + i + 1 if i < count - 1 else END)
        return first if count else END

    def store_small(data):
        count = (len(data) + 63) // 64
        first = len(mini_fat)
        for i in range(count):
            mini.extend(data[64 * i : 64 * i + 64].ljust(64, b"\0"))
            mini_fat.append(first + i + 1 if i < count - 1 else END)
        return first if count else END

    def enter(name, content):
        number = len(entries)
        entries.append(None)
        if isinstance(content, dict):
            child = enter_all(content)
            entries[number] = [name, 1, FREE, child, 0, 0]
        else:
            start = store(content) if len(content) >= 4096 else store_small(content)
            entries[number] = [name, 2, FREE, FREE, start, len(content)]
        return number

    def enter_all(children):
        """Siblings in their order, each the right neighbour of the one before."""
        numbers = [enter(name, children[name]) for name in sorted(children, key=lambda name: (len(name), name.upper()))]
        for number, following in pairwise(numbers):
            entries[number][2] = following
        return numbers[0] if numbers else FREE

    entries.append(None)
    child = enter_all(tree)
    entries[0] = ["Root Entry", 5, FREE, child, store(bytes(mini)), len(mini)]
    directory = b"".join(map(_entry, entries))
    directory += _entry(["", 0, FREE, FREE, 0, 0]) * (-len(entries) % 4)
    directory_at = store(directory)
    mini_sectors = (4 * len(mini_fat) + 511) // 512
    mini_fat_at = store(struct.pack(f"<{len(mini_fat)}I", *mini_fat).ljust(512 * mini_sectors, b"\xff"))
    count = 1
    while count * 128 < len(fat) + count:
        count += 1
    places = list(range(len(fat), len(fat) + count))
    fat += [FAT] * count
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<9I", 0, count, directory_at, 0, 4096, mini_fat_at, mini_sectors, END, 0)
    header += struct.pack("<109I", *places, *[FREE] * (109 - count))
    return header + b"".join(sectors) + struct.pack(f"<{len(fat)}I", *fat).ljust(512 * count, b"\xff")


def _entry(entry):
    name, kind, right, child, start, size = entry
    encoded = name.encode("utf-16-le") + b"\0\0" if name else b""
    links = struct.pack("<BBIII", kind, 1, FREE, right, child)
    return (
        encoded.ljust(64, b"\0") + struct.pack("<H", len(encoded)) + links + bytes(36) + struct.pack("<IQ", start, size)
    )
