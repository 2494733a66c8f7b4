// The works that benchmarks are given, by their names.

const NAMED = {
  W1: [10, 100, 1000],
  W2: [50, 100, 1000],
  W3: [10, 20, 100],
  10000: [100, 10, 100],
  50000: [50, 100, 100],
  200000: [200, 100, 100],
};

/** Devices, registers of each and their period by a name, or by DEVICESxREGISTERS@MS. */
export function workOf(name) {
  const own = /^(\d+)x(\d+)@(\d+)$/.exec(name);
  const numbers = own ? own.slice(1).map(Number) : NAMED[name];
  if (!numbers)
    throw new Error(`${name}: no work. Known are ${Object.keys(NAMED).join(', ')}, and DEVICESxREGISTERS@MS.`);
  const [devices, registers, periodMs] = numbers;
  return { devices, registers, periodMs };
}
