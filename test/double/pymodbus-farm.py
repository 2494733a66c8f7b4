#!/usr/bin/env python3
"""Modbus devices served by pymodbus, a stack we did not write, for the scenario tests.

Register 0 of each device counts the scans that asked for it; register k holds
(device * 7919 + k * 31 + scan * 17) mod 65536, so every value names the device, register and scan it came from.

  pymodbus-farm.py tcp PORT_BASE DEVICES        one TCP port a device, unit 1
  pymodbus-farm.py rtu TTY BAUD UNITS DELAY_MS EVERY   units 1..UNITS; every EVERY-th reply is DELAY_MS late (0: never)
"""
import asyncio
import sys
import time

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext
from pymodbus.datastore.store import BaseModbusDataBlock
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer
from pymodbus.transaction import ModbusRtuFramer


class Registers(BaseModbusDataBlock):
    """Computes what each register holds at the moment it is asked for."""

    replies = 0

    def __init__(self, device, delay_s=0.0, every=0):
        self.device, self.scan, self.delay_s, self.every = device, 0, delay_s, every
        self.values, self.default_value, self.address = {}, 0, 0

    def validate(self, address, count=1):
        return address + count <= 2000

    def getValues(self, address, count=1):
        if address == 0:
            self.scan += 1
        Registers.replies += 1
        if self.every and Registers.replies % self.every == 0:
            time.sleep(self.delay_s)
        return [self.scan & 0xFFFF if k == 0 else (self.device * 7919 + k * 31 + self.scan * 17) & 0xFFFF
                for k in range(address, address + count)]

    def setValues(self, address, values):
        pass


def slave(device, delay_s=0.0, every=0):
    return ModbusSlaveContext(hr=Registers(device, delay_s, every), zero_mode=True)


async def tcp(base, devices):
    servers = [StartAsyncTcpServer(context=ModbusServerContext(slaves={1: slave(device)}, single=False),
                                   address=("127.0.0.1", base + device)) for device in range(devices)]
    print("ready", flush=True)
    await asyncio.gather(*servers)


async def rtu(tty, baud, units, delay_ms, every):
    slaves = {unit: slave(unit - 1, delay_ms / 1000, every) for unit in range(1, units + 1)}
    print("ready", flush=True)
    await StartAsyncSerialServer(context=ModbusServerContext(slaves=slaves, single=False), framer=ModbusRtuFramer,
                                 port=tty, baudrate=baud, timeout=0.01)


if sys.argv[1] == "tcp":
    asyncio.run(tcp(*map(int, sys.argv[2:4])))
else:
    asyncio.run(rtu(sys.argv[2], *map(int, sys.argv[3:7])))
