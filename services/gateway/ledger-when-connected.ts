import type { CommandId } from '../../shared/contracts/primitives.ts';
import type { CommandOutcome, ErrorView, FailedOutcome } from '../../shared/contracts/outcomes.ts';
import type { QueryAnswer } from '../../shared/contracts/queries.ts';
import type { LedgerClient } from '../../shared/messaging/ledger-client/index.ts';

/** What the gateway needs of the ledger. */
export type Ledger = Pick<LedgerClient, 'send' | 'ask' | 'missing'>;

const notYet: ErrorView = { code: 'unavailable', detail: 'Not connected to NATS yet.' };

/**
 * A ledger client that is there before NATS is: until `connecting` is done, every request is `unavailable` at once. So
 * the gateway answers health probes, and says what is missing, from the first moment.
 */
export function ledgerWhenConnected(
  connecting: Promise<LedgerClient>,
): Ledger & Pick<LedgerClient, 'room' | 'close'> {
  let client: LedgerClient | undefined;
  const connected = connecting.then(
    (made) => (client = made),
    // It gives up only because the service is asked to stop.
    () => undefined,
  );
  return {
    send: async (kind, command, options) => {
      if (client !== undefined) return client.send(kind, command, options);
      const commandId = command.id.toLowerCase() as CommandId;
      return { ok: false, commandId, error: notYet } satisfies FailedOutcome as CommandOutcome<typeof kind>;
    },
    ask: async (kind, query, options) => {
      if (client !== undefined) return client.ask(kind, query, options);
      return { ok: false, error: notYet } as QueryAnswer<typeof kind>;
    },
    room: () => client?.room() ?? Infinity,
    missing: () => client?.missing() ?? ['nats: not connected'],
    close: async () => (await connected)?.close(),
  };
}
