#!/usr/bin/env python3
"""An RTU bus with slaves on a pseudo terminal that takes the time a real one takes.

Units 1..UNITS answer reads of holding registers (FC 3) and input registers (FC 4) after the request's wire time, the
silence t3.5 and their turnaround; answers come in pieces as a UART's FIFO gives them. Register 0 counts the scans that
asked for it; register k holds (device * 7919 + k * 31 + scan * 17) mod 65536, where device is unit - 1.

  rtu-bus.py LINK BAUD UNITS [TURNAROUND_MS]

LINK becomes a symbolic link to the terminal. Lines on standard input:

  silent 2-32 | answer 2-32    these units fall silent, or answer again
  unplug | plug                the terminal vanishes, link and all; comes back under another name
  stats                        one line of JSON; counters begin anew
"""
import json
import os
import pty
import select
import sys
import time
import tty

from modbus_wire import crc, until

LINK, BAUD, UNITS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
TURNAROUND = float(sys.argv[4]) / 1000 if len(sys.argv) > 4 else 0.0
CHARACTER = 11 / BAUD
SILENCE = 3.5 * CHARACTER if BAUD <= 19200 else 0.00175
PIECE_BYTES = 8
# A timer of the host may wake this late without the master being at fault.
TOLERANCE = 0.000002


class Bus:
    def __init__(self):
        self.master = self.slave = None
        self.silent = set()
        self.scans = [0] * 256
        self.held = b""
        self.first = self.end = 0.0
        self.reset()

    def reset(self):
        self.counted_from = time.monotonic()
        self.violations = self.damaged = self.answered = self.unanswered = self.overtaken = 0
        self.busy = 0.0
        self.asked = {}

    def plug(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        if os.path.lexists(LINK):
            os.unlink(LINK)
        os.symlink(os.ttyname(self.slave), LINK)

    def unplug(self):
        os.unlink(LINK)
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = None
        self.held = b""

    def stats(self):
        ran = time.monotonic() - self.counted_from
        facts = {"ranMs": ran * 1000, "answered": self.answered, "unanswered": self.unanswered,
                 "violations": self.violations, "overtaken": self.overtaken, "damaged": self.damaged, "utilisation": self.busy / ran,
                 "asked": self.asked}
        self.reset()
        print(json.dumps(facts), flush=True)

    def take(self):
        data = os.read(self.master, 512)
        if not self.held:
            self.first = time.monotonic()
        self.held += data
        if len(self.held) >= 8:
            request, self.held = self.held[:8], b""
            self.serve(request)

    def serve(self, request):
        started = self.first
        if self.end > 0 and started < self.end + SILENCE - TOLERANCE:
            self.violations += 1
        if crc(request[:6]) != request[6] | request[7] << 8:
            self.damaged += 1
            return
        unit, function = request[0], request[1]
        start, count = request[2] << 8 | request[3], request[4] << 8 | request[5]
        self.asked[unit] = self.asked.get(unit, 0) + 1
        asked = started + 8 * CHARACTER
        if unit in self.silent or not 1 <= unit <= UNITS or function not in (3, 4):
            self.unanswered += 1
            self.end = asked
            return
        if start == 0:
            self.scans[unit] += 1
        body = bytes([unit, function, 2 * count]) + b"".join(
            self.register(unit, start + index).to_bytes(2, "big") for index in range(count))
        answer = body + crc(body).to_bytes(2, "little")
        begin = asked + SILENCE + TURNAROUND
        until(begin)
        # This host was so late that the master gave up and asks already: that is no fault of the master's timing.
        overtaken = bool(select.select([self.master], [], [], 0)[0])
        self.overtaken += overtaken
        written = 0.0
        for sent in range(0, len(answer), PIECE_BYTES):
            piece = answer[sent:sent + PIECE_BYTES]
            until(begin + (sent + len(piece)) * CHARACTER)
            written = time.monotonic()
            os.write(self.master, piece)
        self.end = 0.0 if overtaken else max(begin + len(answer) * CHARACTER, written)
        self.answered += 1
        self.busy += (8 + len(answer)) * CHARACTER + 2 * SILENCE + TURNAROUND

    def register(self, unit, address):
        scan = self.scans[unit]
        return scan & 0xFFFF if address == 0 else ((unit - 1) * 7919 + address * 31 + scan * 17) & 0xFFFF


def units(words):
    found = set()
    for word in words:
        first, _, last = word.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


bus = Bus()
bus.plug()
print("ready", flush=True)
while True:
    watched = [0] + ([bus.master] if bus.master is not None else [])
    # A question that stops half way is noise.
    readable, _, _ = select.select(watched, [], [], 0.02 if bus.held else None)
    if not readable:
        bus.held, bus.damaged = b"", bus.damaged + 1
    if bus.master is not None and bus.master in readable:
        bus.take()
    if 0 in readable:
        line = os.read(0, 4096).decode()
        if not line:
            break
        for command in line.splitlines():
            word, *rest = command.split()
            if word == "silent":
                bus.silent |= units(rest)
            elif word == "answer":
                bus.silent -= units(rest)
            else:
                {"plug": bus.plug, "unplug": bus.unplug, "stats": bus.stats}[word]()
if bus.master is not None:
    bus.unplug()
