import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import { maxPayloadOf } from '../../../shared/messaging/max-payload.ts';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { querySchemas, type QueryAnswer, type QueryPayload } from '../../../shared/contracts/queries.ts';
import {
  isReplySubject,
  ledgerQueueGroup,
  queryKinds,
  querySubjectPrefix,
  type QueryKind,
} from '../../../shared/contracts/subjects.ts';
import type { Account } from '../domain/account.ts';
import type { BookQueries } from '../store/book-queries.ts';
import { accountView, entryView, holdView } from './book-views.ts';
import { forbiddenFor, readElement, readPayload } from './payload.ts';

/** Messages being answered at once: more would only wait for the few connections there are. */
const maxUnderWay = 256;

type Answer = QueryAnswer<QueryKind>;

interface QueryDesk {
  readonly queries: BookQueries;
  readonly logger: Logger;
}

/** Answers `balance.query.*`, until the subscription is drained. */
export function serveQueries(nats: NatsConnection, desk: QueryDesk): Subscription {
  let underWay = 0;
  return nats.subscribe(`${querySubjectPrefix}*`, {
    queue: ledgerQueueGroup,
    callback: (error, message) => {
      if (error !== null) {
        desk.logger.warn(
          { err: error },
          'the subscription to queries reports an error: may this NATS user subscribe to it?',
        );
        return;
      }
      if (!message.reply) {
        desk.logger.warn(
          { subject: message.subject },
          'a query without a reply subject was dropped: its sender must make it a request',
        );
        return;
      }
      if (!isReplySubject(message.reply)) {
        desk.logger.warn(
          { subject: message.subject, reply: message.reply },
          'a query was dropped whose answer should go to a subject that is no inbox: its sender must make it a request',
        );
        return;
      }
      if (underWay >= maxUnderWay) {
        respond(message, nats, failed({ code: 'overloaded', detail: 'Too many queries are waiting.' }));
        return;
      }
      void answer(message);
    },
  });

  async function answer(message: Msg): Promise<void> {
    underWay += 1;
    try {
      await answerMessage(message, nats, desk);
    } catch (error) {
      desk.logger.error(
        { err: error, subject: message.subject },
        'a message could not be handled, which is a fault of ours; its sender may ask again',
      );
    } finally {
      underWay -= 1;
    }
  }
}

async function answerMessage(message: Msg, nats: NatsConnection, desk: QueryDesk): Promise<void> {
  const name = message.subject.slice(querySubjectPrefix.length);
  const kind = queryKinds.find((each) => each === name);
  const payload = readPayload(message.data);
  if (kind === undefined) {
    const known = queryKinds.map((each) => querySubjectPrefix + each).join(', ');
    respond(message, nats, failed({ code: 'invalid_request', detail: `No such query; there are ${known}.` }));
    return;
  }
  if ('code' in payload) {
    respond(message, nats, failed(payload));
    return;
  }
  const answers = await answerElements(kind, payload.elements, desk, maxPayloadOf(nats));
  const only = payload.shape === 'single' && Array.isArray(answers) ? answers[0] : undefined;
  respond(message, nats, only ?? answers);
}

/** @param maxBytes what a reply can hold: an array asks for up to half a million rows, and must not gather them. */
async function answerElements(
  kind: QueryKind,
  elements: readonly unknown[],
  desk: QueryDesk,
  maxBytes: number,
): Promise<Answer | Answer[]> {
  try {
    if (kind === 'account') return await answerAccounts(elements, desk.queries);
    const answers: Answer[] = [];
    let bytes = 0;
    for (const element of elements) {
      const answer = await answerElement(kind, element, desk.queries);
      bytes += Buffer.byteLength(JSON.stringify(answer));
      if (bytes > maxBytes) return tooLarge;
      answers.push(answer);
    }
    return answers;
  } catch (error) {
    // Every service pings several times a second while it waits; that the database is away is said by its watch.
    desk.logger[kind === 'ping' ? 'debug' : 'warn'](
      { err: error, kind },
      'a query could not be answered; its caller was told to try again. When this repeats, see how PostgreSQL is',
    );
    const answer = failed({ code: 'unavailable', detail: 'The database can’t be reached just now.' });
    return elements.map(() => answer);
  }
}

/** Asked on every status request, so a whole message of them is one statement. */
async function answerAccounts(elements: readonly unknown[], queries: BookQueries): Promise<Answer[]> {
  const read = elements.map((element) => readElement(querySchemas.account, element));
  const ids = read.flatMap((each) => ('value' in each ? each.value.accountId : []));
  const accounts =
    ids.length === 0 ? new Map<AccountId, Account>() : await queries.accounts([...new Set(ids)]);
  return read.map((each) => {
    if ('error' in each) return failed(each.error);
    const { accountId } = each.value;
    const problem = forbiddenOrAbsent(each.value, accounts.get(accountId));
    const account = accounts.get(accountId);
    return problem !== undefined || account === undefined
      ? failed(problem ?? absent(accountId))
      : { ok: true, account: accountView(account) };
  });
}

async function answerElement(
  kind: Exclude<QueryKind, 'account'>,
  element: unknown,
  queries: BookQueries,
): Promise<Answer> {
  switch (kind) {
    case 'ping': {
      const read = readElement(querySchemas.ping, element);
      return 'error' in read
        ? failed(read.error)
        : { ok: true, now: Math.floor((await queries.now()) / 1000) };
    }
    case 'accounts': {
      const read = readElement(querySchemas.accounts, element);
      if ('error' in read) return failed(read.error);
      return { ok: true, accounts: (await queries.listAccounts(read.value)).map(accountView) };
    }
    case 'hold': {
      const read = readElement(querySchemas.hold, element);
      if ('error' in read) return failed(read.error);
      return ofAccount(read.value, queries, async (account) => {
        const hold = await queries.hold(account.id, read.value.holdId);
        if (hold !== undefined) return { ok: true, hold: holdView(hold, account) };
        const detail = `Account ${account.id} has no hold ${read.value.holdId}.`;
        return failed({ code: 'hold_not_found', detail });
      });
    }
    case 'holds': {
      const read = readElement(querySchemas.holds, element);
      if ('error' in read) return failed(read.error);
      return ofAccount(read.value, queries, async (account) => ({
        ok: true,
        holds: (await queries.listHolds(read.value)).map((hold) => holdView(hold, account)),
      }));
    }
    case 'entries': {
      const read = readElement(querySchemas.entries, element);
      if ('error' in read) return failed(read.error);
      return ofAccount(read.value, queries, async (account) => ({
        ok: true,
        entries: (await queries.listEntries(read.value)).map((entry) => entryView(entry, account)),
      }));
    }
  }
}

type AccountQuery = Pick<QueryPayload<'account'>, 'accountId' | 'allowedAccounts'>;

/** Finds the account that a query is about before its answer is looked up. */
async function ofAccount(
  query: AccountQuery,
  queries: BookQueries,
  answerFor: (account: Account) => Promise<Answer>,
): Promise<Answer> {
  const account = (await queries.accounts([query.accountId])).get(query.accountId);
  const problem = forbiddenOrAbsent(query, account);
  return problem !== undefined || account === undefined
    ? failed(problem ?? absent(query.accountId))
    : answerFor(account);
}

/** Forbidden comes first: whether a foreign account exists is nobody's business. */
function forbiddenOrAbsent(query: AccountQuery, account: Account | undefined): ErrorView | undefined {
  return forbiddenFor(query) ?? (account === undefined ? absent(query.accountId) : undefined);
}

function absent(accountId: AccountId): ErrorView {
  return { code: 'account_not_found', detail: `There is no account ${accountId}.` };
}

function failed(error: ErrorView): Extract<Answer, { ok: false }> {
  return { ok: false, error };
}

const tooLarge = failed({ code: 'invalid_request', detail: 'The answer is too large; ask for less.' });

function respond(message: Msg, nats: NatsConnection, answer: Answer | Answer[]): void {
  const text = JSON.stringify(answer);
  message.respond(Buffer.byteLength(text) <= maxPayloadOf(nats) ? text : JSON.stringify(tooLarge));
}
