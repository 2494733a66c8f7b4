"""Reads values (uint32, two holding registers each) of a Modbus TCP server with pymodbus, over and over.

Prints for each the index, the Unix time in ms before the request, and the value, or - where the request was refused.
"""
import sys
import time

from pymodbus.client import ModbusTcpClient

port, count = int(sys.argv[1]), int(sys.argv[2])
client = ModbusTcpClient("127.0.0.1", port=port)
if not client.connect():
    sys.exit("pymodbus: cannot connect")
while True:
    for index in range(count):
        before = int(time.time() * 1000)
        answer = client.read_holding_registers(index * 2, 2, slave=1)
        registers = getattr(answer, "registers", None)
        shown = "-" if answer.isError() else str((registers[0] << 16) | registers[1])
        print(index, before, shown, flush=True)
    time.sleep(0.15)
