"""What the Modbus doubles in Python share."""
import time


def crc(data):
    """CRC-16/MODBUS, bit by bit as the specification draws it."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


def until(instant):
    """Sleeps to an instant of the monotonic clock, s."""
    left = instant - time.monotonic()
    if left > 0:
        time.sleep(left)
