import { accountCommandKinds } from '../../../shared/contracts/subjects.ts';
import { call, type Answer as HttpAnswer } from '../../support/http.ts';
import type { Answer, Operation } from '../history.ts';
import { answerOf, fieldsOf, type Door } from './door.ts';

/** Twice what a gateway may take: longer is a line that is dead. */
const patienceMs = 10_000;

/** The door of a gateway. */
export function httpDoor(name: string, url: string): Door {
  const ask = (path: string, body?: object, key?: string): Promise<HttpAnswer> =>
    call(url, path, body, key === undefined ? {} : { 'idempotency-key': key }, patienceMs);
  return {
    name,
    kinds: accountCommandKinds,
    most: 1,
    send: async (operations) =>
      Promise.all(
        operations.map(async (operation: Operation) => {
          const { key, kind } = operation;
          const { accountId: id, toAccountId: to, ...fields } = fieldsOf(operation);
          const path = kind === 'subtract' ? '/api/substract' : `/api/${kind}`;
          try {
            return read(await ask(path, { id, ...(to !== undefined && { to }), ...fields }, key));
          } catch (error) {
            return { is: 'unknown', reason: String(error) };
          }
        }),
      ),
    look: async (accountId) => {
      const answer = await ask(`/api/status/${accountId}`).catch(() => undefined);
      if (answer?.status !== 200) return undefined;
      const { version, balance, held } = answer.body;
      return { version: Number(version), balance: String(balance), held: String(held) };
    },
  };
}

function read({ status, body }: HttpAnswer): Answer {
  if (status !== 200) {
    const { code, available, detail } = body as { code?: string; available?: string; detail?: string };
    return answerOf(code ?? `HTTP ${status}`, available, detail);
  }
  const { version, balance, held, available, hold } = body as Record<string, string> & {
    hold?: { id: string };
  };
  return {
    is: 'ok',
    version: Number(version),
    balance: balance ?? '',
    held: held ?? '',
    available: available ?? '',
    holdId: hold?.id,
  };
}
