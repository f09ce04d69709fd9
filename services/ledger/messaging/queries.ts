import type { NatsConnection } from '@nats-io/nats-core';
import { DatabaseError } from 'pg';
import type { Logger } from '../../../shared/telemetry/logger.ts';
import type { KeptSubscription } from '../../../shared/messaging/keep-subscription.ts';
import { maxPayloadOf } from '../../../shared/messaging/max-payload.ts';
import type { ErrorView } from '../../../shared/contracts/outcomes.ts';
import type { AccountId } from '../../../shared/contracts/primitives.ts';
import { querySchemas, type QueryAnswer, type QueryPayload } from '../../../shared/contracts/queries.ts';
import { queryKinds, querySubjectPrefix, type QueryKind } from '../../../shared/contracts/subjects.ts';
import type { Account } from '../domain/account.ts';
import { millisOf } from '../domain/time.ts';
import type { BookQueries, BooksTime } from '../store/book-queries.ts';
import { faultKindOf } from '../store/faults.ts';
import { accountView, entryView, holdDetail } from './book-views.ts';
import { forbiddenFor, readElement, type PayloadElement } from './payload.ts';
import { serveRequests } from './serve-requests.ts';

/** Messages being answered at once: more would only wait for the few connections there are. */
const maxUnderWay = 256;

/** Of these, lists: a page takes long, on two connections. The other places are for what is asked all the time. */
const maxListsUnderWay = 224;

const lists: ReadonlySet<QueryKind | undefined> = new Set(['accounts', 'holds', 'entries']);

type Answer = QueryAnswer<QueryKind>;

interface QueriesOptions {
  readonly queries: BookQueries;
  readonly logger: Logger;
}

/** Answers `balance.query.*`, until the subscription is drained. */
export function serveQueries(nats: NatsConnection, options: QueriesOptions): KeptSubscription {
  let underWay = 0;
  let listsUnderWay = 0;
  let onIdle: (() => void) | undefined;
  const subscription = serveRequests(nats, {
    prefix: querySubjectPrefix,
    kinds: queryKinds,
    noun: 'query',
    logger: options.logger,
    isFull: (kind) => underWay >= maxUnderWay || (lists.has(kind) && listsUnderWay >= maxListsUnderWay),
    handle: async (kind, { elements, shape }, reply) => {
      const ofLists = lists.has(kind) ? 1 : 0;
      underWay += 1;
      listsUnderWay += ofLists;
      try {
        const maxBytes = maxPayloadOf(nats);
        const answers = await answerElements(kind, elements, options, maxBytes);
        const only = shape === 'single' && Array.isArray(answers) ? answers[0] : undefined;
        const json = JSON.stringify(only ?? answers);
        reply(Buffer.byteLength(json) <= maxBytes ? json : JSON.stringify(tooLarge));
      } finally {
        underWay -= 1;
        listsUnderWay -= ofLists;
        if (underWay === 0) onIdle?.();
      }
    },
  });
  return {
    ...subscription,
    drain: async () => {
      await subscription.drain();
      if (underWay > 0) await new Promise<void>((resolve) => (onIdle = resolve));
    },
  };
}

/** @param maxBytes what a reply can hold: an array asks for up to half a million rows, and must not gather them. */
async function answerElements(
  kind: QueryKind,
  elements: readonly PayloadElement[],
  { queries, logger }: QueriesOptions,
  maxBytes: number,
): Promise<Answer | Answer[]> {
  try {
    if (kind === 'account') return await answerAccounts(elements, queries);
    const answers: Answer[] = [];
    let bytes = 0;
    for (const element of elements) {
      const answer = await answerElement(kind, element, queries);
      bytes += Buffer.byteLength(JSON.stringify(answer));
      if (bytes > maxBytes) return tooLarge;
      answers.push(answer);
    }
    return answers;
  } catch (error) {
    if (error instanceof DatabaseError && faultKindOf(error) === 'statement') {
      logger.error({ err: error, kind }, 'a query could not be answered. Mend what the error names');
      const answer = failed({
        code: 'internal',
        detail: 'The question could not be answered, by a fault here.',
      });
      return elements.map(() => answer);
    }
    // Every service pings several times a second while it waits; that the database is away is said by its watch.
    logger[kind === 'ping' ? 'debug' : 'warn'](
      { err: error, kind },
      'a query could not be answered; its caller was told to try again. When this repeats, see how PostgreSQL is',
    );
    const answer = failed({ code: 'unavailable', detail: 'The database can’t be reached just now.' });
    return elements.map(() => answer);
  }
}

/** Asked on every status request, so a whole message of them is one statement. */
async function answerAccounts(elements: readonly PayloadElement[], queries: BookQueries): Promise<Answer[]> {
  const read = elements.map((element) => readElement(querySchemas.account, element));
  const ids = read.flatMap((each) => ('value' in each ? each.value.accountId : []));
  const accounts =
    ids.length === 0 ? new Map<AccountId, Account>() : await queries.accounts([...new Set(ids)]);
  return read.map((each) => {
    if ('error' in each) return failed(each.error);
    const permitted = permittedAccount(each.value, accounts.get(each.value.accountId));
    return 'error' in permitted
      ? failed(permitted.error)
      : { ok: true, account: accountView(permitted.account) };
  });
}

async function answerElement(
  kind: Exclude<QueryKind, 'account'>,
  element: PayloadElement,
  queries: BookQueries,
): Promise<Answer> {
  switch (kind) {
    case 'ping': {
      const read = readElement(querySchemas.ping, element);
      return 'error' in read ? failed(read.error) : pong(await queries.now());
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
        if (hold !== undefined) return { ok: true, hold: holdDetail(hold, account) };
        const detail = `Account ${account.id} has no hold ${read.value.holdId}.`;
        return failed({ code: 'hold_not_found', detail });
      });
    }
    case 'holds': {
      const read = readElement(querySchemas.holds, element);
      if ('error' in read) return failed(read.error);
      return ofAccount(read.value, queries, async (account) => ({
        ok: true,
        holds: (await queries.listHolds(read.value)).map((hold) => holdDetail(hold, account)),
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

function pong({ now, realNow }: BooksTime): Answer {
  const clockAheadMs = Math.round(millisOf(now - realNow));
  return { ok: true, now: Math.floor(millisOf(realNow)), ...(clockAheadMs > 0 && { clockAheadMs }) };
}

type AccountQuery = Pick<QueryPayload<'account'>, 'accountId' | 'allowedAccounts'>;

/** Finds the account that a query is about before its answer is looked up. */
async function ofAccount(
  query: AccountQuery,
  queries: BookQueries,
  answerFor: (account: Account) => Promise<Answer>,
): Promise<Answer> {
  const found = await queries.accounts([query.accountId]);
  const permitted = permittedAccount(query, found.get(query.accountId));
  return 'error' in permitted ? failed(permitted.error) : answerFor(permitted.account);
}

/** Forbidden comes first: whether a foreign account exists is nobody's business. */
function permittedAccount(
  query: AccountQuery,
  found: Account | undefined,
): { readonly account: Account } | { readonly error: ErrorView } {
  const forbidden = forbiddenFor(query);
  if (forbidden !== undefined) return { error: forbidden };
  if (found !== undefined) return { account: found };
  return { error: { code: 'account_not_found', detail: `There is no account ${query.accountId}.` } };
}

function failed(error: ErrorView): Extract<Answer, { ok: false }> {
  return { ok: false, error };
}

const tooLarge = failed({ code: 'invalid_request', detail: 'The answer is too large; ask for less.' });
