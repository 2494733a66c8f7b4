// What the hardware tests of polled and eventful lines have in common: channels out of a file's text, a running poller
// whose readings can be looked at, and the rows of the table.
const root = new URL('../../', import.meta.url);
const { DRIVERS } = await import(new URL('dist/hal/registry.js', root));
const { loadConfig } = await import(new URL('dist/src/config/load.js', root));
const { systemClock } = await import(new URL('dist/src/core/clock.js', root));
const { Poller } = await import(new URL('dist/src/poll/poller.js', root));

/** The channels of a file. */
export function channelsOf(text) {
  const files = { read: () => Buffer.from(text), list: () => [], exists: () => false };
  const loaded = loadConfig({ file: 'millgate.yaml', drivers: DRIVERS, hostname: 'lab', files });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config.channels;
}

/** Polls a channel as the gateway does. */
export function pollChannel(channel) {
  const log = { debug() {}, info() {}, warn() {}, error() {}, scoped: () => log };
  const deps = { clock: systemClock, log, random: Math.random, simulated: false };
  const driver = channel.driver.create(channel.options, deps);
  const last = new Map();
  const seen = new Map();
  const events = {
    onRecord({ device, at, fields }) {
      for (const field of fields) {
        const id = `${device}/${field.name}`;
        last.set(id, { ...field, at });
        seen.set(id, (seen.get(id) ?? new Set()).add(field.quality === 'good' ? 'good' : field.why));
      }
    },
    onHealth() {},
    onChannel() {},
  };
  const poller = new Poller(channel, driver, deps, events);
  const stop = new AbortController();
  const running = poller.run(stop.signal);
  return {
    last: (id) => last.get(id),
    /** `good`, and the reasons of bad readings, since `forget`. */
    seen: (id) => seen.get(id) ?? new Set(),
    forget() {
      last.clear();
      seen.clear();
    },
    state: () => poller.state.state,
    reason: () => poller.state.reason,
    /** Whether something comes true within `limitMs`. */
    async until(condition, limitMs) {
      const endMs = systemClock.monoMs() + limitMs;
      while (!condition() && systemClock.monoMs() < endMs) await systemClock.sleep(20);
      return condition();
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

let failed = 0;

/** Runs one row and prints it. */
export async function row(what, check) {
  const { isRight, got } = await check().catch((error) => ({ isRight: false, got: error.message }));
  if (!isRight) failed++;
  console.log(`${isRight ? 'ok  ' : 'FAIL'} | ${what.padEnd(48)} | ${got}`);
}

/** How many rows failed. */
export const rowsFailed = () => failed;
