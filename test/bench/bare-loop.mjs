// The floor to compare with: modbus-serial and mqtt.js doing the same work with no store, no rules and no recovery.
// Usage: node bare-loop.mjs PORT_BASE DEVICES REGISTERS PERIOD_MS MQTT_PORT
import Modbus from 'modbus-serial';
import mqtt from 'mqtt';

const [base, devices, registers, periodMs, mqttPort] = process.argv.slice(2).map(Number);
const client = mqtt.connect({ host: '127.0.0.1', port: mqttPort });

async function poll(device) {
  const modbus = new Modbus.default();
  await modbus.connectTCP('127.0.0.1', { port: base + device });
  modbus.setID(1);
  modbus.setTimeout(1000);
  let next = performance.now();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
    const { data } = await modbus.readHoldingRegisters(0, registers);
    client.publish(`bare/${device}`, JSON.stringify({ device, t: Date.now(), v: data }), { qos: 1 });
    next += periodMs;
  }
}
for (let device = 0; device < devices; device++) poll(device);
