import { readFile } from 'node:fs/promises';
import type { HttpConfig } from '../../../src/config/config.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { noAlarms } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { createHttpUplink } from '../../../src/uplink/http/http-uplink.ts';
import type { Uplink } from '../../../src/uplink/uplink.ts';

type HttpDeps = Parameters<typeof createHttpUplink>[1];

/** The configuration of an uplink to a server on this machine. */
export function httpConfig(port: number, change: Partial<HttpConfig> = {}): HttpConfig {
  return {
    type: 'http',
    name: 'mes',
    url: `http://127.0.0.1:${port}/api/readings`,
    target: { kind: 'json' },
    compression: 'none',
    token: undefined,
    username: undefined,
    password: undefined,
    tls: undefined,
    only: undefined,
    except: [],
    events: true,
    backfillRate: 5000,
    ackTimeoutMs: 500,
    ...change,
  };
}

/** An HTTP uplink; its acknowledgement deadline is 500 ms. */
export function httpUplink(port: number, change: Partial<HttpConfig> = {}, deps: Partial<HttpDeps> = {}): Uplink {
  return createHttpUplink(httpConfig(port, change), {
    clock: systemClock,
    log: silentLogger,
    random: () => 1,
    gateway: 'press-shop-1',
    version: '0.1.0',
    configHash: '9b1e',
    secrets: () => 'secret',
    readFile: (path) => readFile(path),
    alarms: noAlarms,
    ...deps,
  });
}
