#!/usr/bin/env python3
"""A meter on a pseudo terminal that answers only at its own serial settings, and takes the time a real one takes.

  paced-slave.py LINK BAUD PARITY STOP_BITS UNIT NOTES [TURNAROUND_MS]

LINK becomes a symbolic link to the terminal. Baud rate and stop bits are read from the terminal; its parity from the
note that tty-notes.c leaves in the folder NOTES, because pseudo terminals forget theirs ("-": parity is not looked at).
At other settings it hears nothing that makes sense, and is silent.

Holding registers 4000...4063 exist: a meter that computes floats with the low word first (CDAB).
  4000 model number 147   4001 state   4010 voltage V   4012 current A   4014 power W   4016 frequency Hz   4020 energy kWh
Everything else is refused with exception 2, other functions with exception 1. Each question is told on standard output.
"""
import math
import os
import pty
import select
import struct
import sys
import termios
import time
import tty

from modbus_wire import crc, until

LINK, BAUD, PARITY, STOP_BITS, UNIT, NOTES = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6]
TURNAROUND = float(sys.argv[7]) / 1000 if len(sys.argv) > 7 else 0.008
CHARACTER = (1 + 8 + (PARITY != "none") + STOP_BITS) / BAUD
SILENCE = 3.5 * 11 / BAUD if BAUD <= 19200 else 0.00175
FIRST, COUNT = 4000, 64
SPEED = getattr(termios, f"B{BAUD}")


def is_understood(master, number):
    settings = termios.tcgetattr(master)
    stop_bits = 2 if settings[2] & termios.CSTOPB else 1
    if settings[5] != SPEED or stop_bits != STOP_BITS:
        return False
    if NOTES == "-":
        return True
    try:
        with open(os.path.join(NOTES, number), encoding="ascii") as note:
            return note.read() == PARITY
    except FileNotFoundError:
        # Set by a program of its own (stty), which nothing was preloaded into: a pseudo terminal remembers odd, at least.
        return bool(settings[2] & termios.PARODD) == (PARITY == "odd")


def registers():
    t = time.monotonic()
    words = [0] * COUNT
    words[0], words[1] = 147, 1
    current = 12.62 + 0.03 * math.sin(t / 5)
    voltage = 231.4 + 0.02 * math.sin(t / 7)
    values = {10: voltage, 12: current, 14: voltage * current, 16: 50.01 + 0.005 * math.sin(t / 3), 20: 18234.5 + t / 1200}
    for at, value in values.items():
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        words[at], words[at + 1] = low, high
    return words


def answer(question):
    function = question[1]
    if function != 3:
        return bytes([UNIT, function | 0x80, 1])
    start, count = struct.unpack(">HH", question[2:6])
    if start < FIRST or count < 1 or start + count > FIRST + COUNT:
        return bytes([UNIT, function | 0x80, 2])
    words = registers()[start - FIRST:start - FIRST + count]
    return bytes([UNIT, function, 2 * count]) + b"".join(word.to_bytes(2, "big") for word in words)


def question_bytes(held):
    if len(held) < 2:
        return 256
    return {17: 4, 43: 7}.get(held[1], 8)


master, slave = pty.openpty()
tty.setraw(slave)
if os.path.lexists(LINK):
    os.unlink(LINK)
os.symlink(os.ttyname(slave), LINK)
number = os.path.basename(os.ttyname(slave))
print("ready", flush=True)
held = b""
while True:
    readable, _, _ = select.select([master, 0], [], [], 0.02 if held else None)
    if 0 in readable and not os.read(0, 4096):
        break
    if not readable:
        held = b""
    if master not in readable:
        continue
    if not held:
        began = time.monotonic()
    held += os.read(master, 512)
    length = question_bytes(held)
    if len(held) < length:
        continue
    question, held = held[:length], b""
    print(f"question {question.hex()}", flush=True)
    if not is_understood(master, number) or crc(question[:-2]) != question[-2] | question[-1] << 8 or question[0] != UNIT:
        continue
    body = answer(question)
    reply = body + crc(body).to_bytes(2, "little")
    until(began + length * CHARACTER + SILENCE + TURNAROUND + len(reply) * CHARACTER)
    os.write(master, reply)
os.unlink(LINK)
