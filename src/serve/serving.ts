/** Keeps what the gateway serves to other systems as the configuration wants it, also while that changes. */
import { isDeepStrictEqual } from 'node:util';
import type { ServeConfig } from '../config/config.ts';
import { ModbusServer, type ModbusServerDeps, type ModbusServerStatus } from './modbus-server.ts';

/** What is served, at a glance. */
export interface ServingStatus {
  /** Undefined where the configuration has no such server. */
  readonly modbus: ModbusServerStatus | undefined;
}

/** What the gateway serves to other systems. */
export class Serving {
  private readonly deps: ModbusServerDeps;
  private config: ServeConfig['modbus'];
  private modbus: ModbusServer | undefined;

  constructor(deps: ModbusServerDeps) {
    this.deps = deps;
  }

  /** Serves what a configuration says; masters stay connected where nothing of it changed. */
  async replace(serve: ServeConfig | undefined): Promise<void> {
    const next = serve?.modbus;
    if (isDeepStrictEqual(this.config, next)) return;
    await this.modbus?.close();
    this.config = next;
    this.modbus = next && new ModbusServer(next, { ...this.deps, log: this.deps.log.scoped('serve.modbus') });
    await this.modbus?.listen();
  }

  status(): ServingStatus {
    return { modbus: this.modbus?.status() };
  }

  async close(): Promise<void> {
    await this.modbus?.close();
    this.modbus = undefined;
    this.config = undefined;
  }
}
