import type { Client } from 'pg';
import { UnfitDatabase } from './faults.ts';

/** Ends the `CREATE DATABASE …` for books: the server's own encoding may be another, and its locale go with no other. */
export const inUtf8 = `TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`;

/**
 * Throws an `UnfitDatabase` when new books would be made where not every name can be kept. Books that are there go on as they
 * are: an encoding can't be changed.
 */
export async function refuseOtherEncoding(client: Client, database: string): Promise<void> {
  const { rows } = await client.query<{ encoding: string; isNew: boolean }>(
    `SELECT current_setting('server_encoding') AS encoding, to_regclass('entries') IS NULL AS "isNew"`,
  );
  const [found] = rows;
  if (found === undefined || !found.isNew || found.encoding === 'UTF8') return;
  throw new UnfitDatabase(
    `the database ${database} has the encoding ${found.encoding}, and accounts have names in any script: ` +
      `make it anew with CREATE DATABASE ${database} ${inUtf8}`,
  );
}
