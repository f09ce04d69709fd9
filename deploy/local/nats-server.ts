import type { ChildHandle } from './child-process.ts';

export interface NatsServerOptions {
  /** The folder of all local data; JetStream's is in its `nats`. */
  readonly dataDir: string;
  /** The nats-server executable, as `findNatsServer` gave it. */
  readonly binary: string;
  /** Listen here; a free port when not given. */
  readonly port?: number;
  /** Every line that nats-server itself writes. */
  readonly onLine?: (line: string) => void;
  /** What we are doing, for people to read. */
  readonly report?: (line: string) => void;
}

export interface NatsServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly process: ChildHandle;
}

/** Starts nats-server with JetStream on the data folder; resolves when it accepts connections and JetStream is up. */
export function startNatsServer(_options: NatsServerOptions): Promise<NatsServer> {
  return Promise.reject(new Error('being written'));
}
