import type { Client, ClientConfig } from 'pg';
import { createClient } from '../../services/ledger/store/create-client.ts';

/** Connecting takes milliseconds; a server that takes longer than this has a reason that a question should not wait for. */
const connectMs = 5_000;

/**
 * A connection to PostgreSQL for a few questions, closed whatever comes of them.
 * Throws what connecting throws, after 5 s at most, and what `work` throws.
 */
export async function withClient<T>(config: ClientConfig, work: (client: Client) => Promise<T>): Promise<T> {
  const client = createClient({ connectionTimeoutMillis: connectMs, ...config });
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The rows that one question has, on a connection of its own. Throws as `withClient` does. */
export function askDatabase<Row extends object>(config: ClientConfig, sql: string): Promise<Row[]> {
  return withClient(config, async (client) => (await client.query<Row>(sql)).rows);
}
