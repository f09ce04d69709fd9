export interface FindNatsServerOptions {
  /** Folders in which an earlier start may have left nats-server; a fetched one is put into the last. */
  readonly cacheDirs: readonly string[];
  /** What we are doing, for people to read. */
  readonly report: (line: string) => void;
  /** Where the release archives are; the NATS project's own when not given. */
  readonly archiveBaseUrl?: string;
}

export interface FoundNatsServer {
  readonly path: string;
  readonly version: string;
  readonly source: 'path' | 'cache' | 'archive' | 'package';
}

/** Finds a nats-server that we may start, or fetches one; rejects with the ways to get it. */
export function findNatsServer(_options: FindNatsServerOptions): Promise<FoundNatsServer> {
  return Promise.reject(new Error('being written'));
}
