#!/usr/bin/env python3
"""A Modbus slave by pymodbus, a stack we did not write: unit 1, 100 items of each table, and a name.

  pymodbus-server.py tcp PORT | pymodbus-server.py rtu TTY BAUD

Holding register 10 is 0x1234, input register 5 is 0x0102, discrete input 7 is on.
"""
import asyncio
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer
from pymodbus.transaction import ModbusRtuFramer


def block(values):
    content = [0] * 100
    for address, value in values.items():
        content[address] = value
    return ModbusSequentialDataBlock(0, content)


slave = ModbusSlaveContext(hr=block({10: 0x1234}), ir=block({5: 0x0102}), di=block({7: 1}), co=block({}), zero_mode=True)
context = ModbusServerContext(slaves={1: slave}, single=False)
identity = ModbusDeviceIdentification(info_name={
    "VendorName": "Example Works", "ProductCode": "EX-7", "MajorMinorRevision": "3.1", "ProductName": "Example meter"})


async def serve():
    print("ready", flush=True)
    if sys.argv[1] == "tcp":
        await StartAsyncTcpServer(context=context, identity=identity, address=("127.0.0.1", int(sys.argv[2])))
    else:
        await StartAsyncSerialServer(context=context, identity=identity, framer=ModbusRtuFramer, port=sys.argv[2],
                                     baudrate=int(sys.argv[3]), timeout=0.01)


asyncio.run(serve())
