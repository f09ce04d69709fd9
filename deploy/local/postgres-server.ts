import type { ChildHandle } from './child-process.ts';

export interface PostgresOptions {
  /** The folder of all local data; the cluster is in its `postgres`. */
  readonly dataDir: string;
  /** Listen here; a free port when not given. */
  readonly port?: number;
  /** Every line that Postgres itself writes. */
  readonly onLine?: (line: string) => void;
  /** What we are doing, for people to read. */
  readonly report?: (line: string) => void;
}

export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly process: ChildHandle;
  /** Creates the database unless it is there. */
  createDatabase(name: string): Promise<void>;
}

/** Starts PostgreSQL on the data folder's cluster, made first when missing; resolves when it accepts connections. */
export function startPostgres(_options: PostgresOptions): Promise<PostgresServer> {
  return Promise.reject(new Error('being written'));
}
