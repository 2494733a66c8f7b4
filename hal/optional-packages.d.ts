/**
 * What is used of the packages that need not be there: npm leaves them out where their native part does not build, and
 * the program has to compile and run without them all the same. `i2c-bus` has its types in a package of its own.
 */
declare module 'koffi' {
  /** A function of the system's library; numbers of 64 bits come as `bigint` where they are large. */
  export type SystemFunction = (...values: unknown[]) => number;
  const koffi: {
    load(library: null): { func(signature: string): SystemFunction };
    /** The error number of the last call. */
    errno(): number;
  };
  export default koffi;
}

declare module 'onoff' {
  /** A line by its number in sysfs. */
  export class Gpio {
    constructor(
      number: number,
      direction: 'in' | 'out' | 'high' | 'low',
      edge: 'none' | 'rising' | 'falling' | 'both',
      options: { debounceTimeout?: number; activeLow?: boolean; reconfigureDirection?: boolean },
    );
    readSync(): 0 | 1;
    writeSync(value: 0 | 1): void;
    watch(callback: (error: Error | null | undefined, value: 0 | 1) => void): void;
    unexport(): void;
  }
}

declare module 'serialport' {
  /** The settings of a port, and the port itself, without the stream around it. */
  export const SerialPort: {
    readonly binding: {
      open(options: {
        path: string;
        baudRate: number;
        parity: 'none' | 'even' | 'odd';
        dataBits: 5 | 6 | 7 | 8;
        stopBits: 1 | 1.5 | 2;
        lock: boolean;
      }): Promise<{
        read(buffer: Buffer, offset: number, length: number): Promise<{ bytesRead: number }>;
        write(buffer: Buffer): Promise<void>;
        close(): Promise<void>;
        readonly isOpen: boolean;
      }>;
    };
  };
}
