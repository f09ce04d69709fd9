import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { History } from '../history.ts';
import type { Random } from '../random.ts';
import type { Accounts } from './accounts.ts';
import { runClient } from './client.ts';
import type { Door } from './door.ts';
import { Outages } from './outages.ts';

/** Clients at each door. */
const clientsPerDoor = 3;
/** What is in doubt at the end is known within this, or stays unknown. */
const lastDoubtsMs = 30_000;

/** Clients that are at work. */
export interface Load {
  readonly outages: Outages;
  /** No new commands; what is unknown is still asked for, for a while. Resolves when all have ended. */
  readonly finish: () => Promise<void>;
}

/** Sets clients to work at every door. */
export function startLoad(options: {
  readonly doors: readonly Door[];
  readonly accounts: Accounts;
  readonly random: Random;
  readonly history: History;
}): Load {
  const { doors, random } = options;
  const outages = new Outages(doors.map(({ name }) => name));
  const stopping = new AbortController();
  const ending = new AbortController();
  // Every client listens.
  setMaxListeners(0, ending.signal);
  const clients = doors.flatMap((door) =>
    Array.from({ length: clientsPerDoor }, () =>
      runClient({
        ...options,
        door,
        random: random.fork(),
        onSuccess: (name) => outages.succeeded(name),
        stopping: stopping.signal,
        ending: ending.signal,
      }),
    ),
  );
  return {
    outages,
    finish: async () => {
      stopping.abort();
      const finished = Promise.all(clients).then(() => true);
      if (!(await Promise.race([finished, delay(lastDoubtsMs, false)]))) ending.abort();
      await finished;
    },
  };
}

/** Opens the accounts that clients use, before any of them begins. */
export async function openAccounts(accounts: Accounts, door: Door, history: History): Promise<void> {
  for (const command of accounts.firstCommands()) {
    const operation = history.begin(command);
    const complete = history.call(operation, door.name);
    const [answer] = await door.send([operation], undefined);
    if (answer?.is !== 'ok') throw new Error(`an account could not be opened: ${JSON.stringify(answer)}`);
    complete(answer);
  }
}
