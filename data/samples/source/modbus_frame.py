"""Modbus RTU frames for the probe bus and the master port of a Tarn gateway.

Only what the gateway needs: requests with function codes 3, 4, 6 and 16, their
answers and exceptions. A frame is address, function code, payload and a CRC-16
whose low byte comes first. See chapter 7 of the manual WG-DOC-0417.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

CRC_START = 0xFFFF
CRC_POLYNOMIAL = 0xA001  # 0x8005 with its bits reversed
MAX_REGISTERS = 64  # 32 before firmware 3.4.0
CONSECUTIVE_CRC_LIMIT = 5  # that many bad frames in a row raise E-2041

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    6: "device busy",
}


class FrameError(ValueError):
    """The bytes are no valid frame (too short, wrong CRC, wrong length)."""


class CrcMismatch(FrameError):
    """The frame is complete but its check sum does not fit."""


class DeviceException(RuntimeError):
    """The device understood the request and refused it."""

    def __init__(self, function: int, code: int) -> None:
        self.function = function
        self.code = code
        reason = EXCEPTIONS.get(code, "unknown reason")
        super().__init__(f"function {function} refused: {code} ({reason})")


def crc16(data: bytes) -> int:
    """CRC-16 as Modbus defines it, bit by bit; frames are short enough for that."""
    crc = CRC_START
    for byte in data:
        crc ^= byte
        for _ in range(8):
            carry = crc & 1
            crc >>= 1
            if carry:
                crc ^= CRC_POLYNOMIAL
    return crc


def seal(body: bytes) -> bytes:
    """Append the check sum, low byte first."""
    return body + struct.pack("<H", crc16(body))


def unseal(frame: bytes) -> bytes:
    """Check the check sum of a frame and return it without its last two bytes."""
    if len(frame) < 4:
        raise FrameError(f"a frame has at least 4 bytes, not {len(frame)}")
    body, tail = frame[:-2], frame[-2:]
    (received,) = struct.unpack("<H", tail)
    expected = crc16(body)
    if received != expected:
        raise CrcMismatch(f"CRC 0x{received:04X} received, 0x{expected:04X} expected")
    return body


def read_request(address: int, start: int, count: int, *, holding: bool = False) -> bytes:
    """Request for ``count`` registers from ``start`` (protocol address, from zero)."""
    if not 1 <= address <= 247:
        raise ValueError("address must be between 1 and 247")
    if not 1 <= count <= MAX_REGISTERS:
        raise ValueError(f"between 1 and {MAX_REGISTERS} registers can be read at once")
    return seal(struct.pack(">BBHH", address, 3 if holding else 4, start, count))


@dataclass(frozen=True)
class Answer:
    """The registers of one answer, as the device sent them."""

    address: int
    function: int
    registers: tuple[int, ...]

    def float32(self, index: int) -> float:
        """Number in two registers, high word first. NaN stands for 'no reading'."""
        high, low = self.registers[index : index + 2]
        (value,) = struct.unpack(">f", struct.pack(">HH", high, low))
        return float(value)

    def int16(self, index: int) -> int:
        value = self.registers[index]
        return value - 0x10000 if value & 0x8000 else value


def decode_answer(frame: bytes) -> Answer:
    """Decode the answer to a read request; raise DeviceException if it is a refusal."""
    body = unseal(frame)
    address, function = body[0], body[1]
    if function & 0x80:
        raise DeviceException(function & 0x7F, body[2])
    if function not in (3, 4):
        raise FrameError(f"function {function} has no registers in its answer")
    size = body[2]
    payload = body[3:]
    if size != len(payload) or size % 2:
        raise FrameError(f"length byte says {size}, payload has {len(payload)}")
    return Answer(address, function, struct.unpack(f">{size // 2}H", payload))


class CrcMonitor:
    """Counts bad frames of one probe and says when E-2041 is due.

    One good frame sets the counter back to zero, so a single burst of noise from a
    frequency converter never raises the error; a wrong terminator does within seconds.
    """

    def __init__(self, limit: int = CONSECUTIVE_CRC_LIMIT) -> None:
        self.limit = limit
        self.bad_in_a_row = 0
        self.total_bad = 0

    def feed(self, good: bool) -> bool:
        """Register one frame; true while the error is present."""
        if good:
            self.bad_in_a_row = 0
        else:
            self.bad_in_a_row += 1
            self.total_bad += 1
        return self.bad_in_a_row >= self.limit


def readings(answer: Answer, names: list[str]) -> Iterator[tuple[str, float | None]]:
    """Pair the names with the float32 values of an answer; NaN becomes None."""
    for position, name in enumerate(names):
        value = answer.float32(2 * position)
        yield name, None if math.isnan(value) else value


if __name__ == "__main__":
    request = read_request(17, 0x0012, 2)
    print(request.hex(" "))
    answer = decode_answer(bytes.fromhex("110404411333335b59"))
    print(dict(readings(answer, ["dissolved_oxygen"])))
