import type { ClientBase, Pool } from 'pg';
import { eventually } from './eventually.ts';

/** Until the broker has all that was committed, and the outbox knows it. */
export async function untilOutboxIsEmpty(books: ClientBase | Pool): Promise<void> {
  await eventually(async () => {
    const { rowCount } = await books.query('SELECT FROM outbox LIMIT 1');
    return rowCount === 0 ? true : undefined;
  }, 20_000);
}
