import autocannon from 'autocannon';
import { readFileSync } from 'node:fs';

/*
 * The load generator, a process of its own so that its CPU time is not the harness': reads what to do from its first
 * argument, and writes what came of it to standard output.
 */

/** What a load is. */
export interface LoadOrder {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly path: string;
  /** A JSON file with the account ids among which each request picks one; without it, a GET without a body. */
  readonly idsFile?: string;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly requests: number;
  /** Answers other than 2xx, and connections that failed. */
  readonly failed: number;
  readonly cpuSeconds: number;
}

async function run({ url, connections, seconds, path, idsFile }: LoadOrder): Promise<LoadResult> {
  const bodies =
    idsFile === undefined ? undefined : bodiesFor(JSON.parse(readFileSync(idsFile, 'utf8')) as string[]);
  const before = process.cpuUsage();
  const result = await autocannon({
    url: url + path,
    connections,
    duration: seconds,
    ...(bodies !== undefined && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      requests: [{ setupRequest: (request) => ({ ...request, body: bodies() }) }],
    }),
  });
  const { user, system } = process.cpuUsage(before);
  return {
    requestsPerSecond: result['2xx'] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    maxMs: result.latency.max,
    requests: result['2xx'],
    failed: result.non2xx + result.errors + result.timeouts,
    cpuSeconds: (user + system) / 1_000_000,
  };
}

/** A body for one of the accounts, at random. Written beforehand: the generator shall not be the limit. */
function bodiesFor(ids: readonly string[]): () => string {
  const bodies = ids.map((id) => JSON.stringify({ id, amount: '0.01' }));
  return () => bodies[Math.floor(Math.random() * bodies.length)] ?? '';
}

const order = process.argv[2];
if (order === undefined) throw new Error('bench/main.ts starts this');
process.stdout.write(JSON.stringify(await run(JSON.parse(order) as LoadOrder)));
