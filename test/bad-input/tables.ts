import type { CommandInput } from '../../shared/contracts/commands.ts';
import { accountStatuses, dueActions, holdStatuses } from '../../shared/contracts/outcomes.ts';
import { listOrders, type QueryInput } from '../../shared/contracts/queries.ts';
import type { CommandKind, QueryKind } from '../../shared/contracts/subjects.ts';
import * as sorts from './field-sorts.ts';
import type { Sort } from './sort.ts';

/*
 * Every field of every command, query and route, and what sort it is of. The types ask for a new one as soon as it is in
 * a contract; so do the tests, of the contracts and of /openapi.json.
 */

type Fields<Input> = { readonly [Field in keyof Input]-?: Sort };

const envelope = {
  id: sorts.commandId,
  deadline: sorts.deadline,
  traceparent: sorts.traceparent,
  allowedAccounts: sorts.accounts,
};

const holdOptions = {
  reference: sorts.reference,
  onDue: sorts.oneOf(dueActions),
  dueInSeconds: sorts.holdSeconds,
};

const openingFields = {
  name: sorts.name,
  currency: sorts.currency,
  decimals: sorts.decimals,
  overdraftLimit: sorts.limitAmount,
  metadata: sorts.metadata,
};

export const commandFields: { readonly [K in CommandKind]: Fields<CommandInput<K>> } = {
  open: { ...envelope, accountId: sorts.uuid, ...openingFields },
  'set-limit': {
    ...envelope,
    accountId: sorts.uuid,
    overdraftLimit: sorts.limitAmount,
    expectedVersion: sorts.version,
  },
  close: { ...envelope, accountId: sorts.uuid, expectedVersion: sorts.version },
  add: { ...envelope, accountId: sorts.uuid, amount: sorts.amount, reference: sorts.reference },
  subtract: { ...envelope, accountId: sorts.uuid, amount: sorts.amount, ...holdOptions },
  settle: { ...envelope, accountId: sorts.uuid, holdId: sorts.uuid, amount: sorts.amount },
  release: { ...envelope, accountId: sorts.uuid, holdId: sorts.uuid },
  extend: { ...envelope, accountId: sorts.uuid, holdId: sorts.uuid, dueInSeconds: sorts.holdSeconds },
  transfer: {
    ...envelope,
    accountId: sorts.uuid,
    toAccountId: sorts.otherUuid,
    amount: sorts.amount,
    reference: sorts.reference,
  },
  'settle-due': {
    id: sorts.commandId,
    deadline: sorts.deadline,
    traceparent: sorts.traceparent,
    until: sorts.time,
    sweep: sorts.flag,
  },
  'advance-clock': {
    id: sorts.commandId,
    deadline: sorts.deadline,
    traceparent: sorts.traceparent,
    seconds: sorts.clockSeconds,
  },
};

export const queryFields: { readonly [K in QueryKind]: Fields<QueryInput<K>> } = {
  ping: {},
  account: { accountId: sorts.uuid, allowedAccounts: sorts.accounts },
  accounts: {
    after: sorts.uuid,
    status: sorts.oneOf(accountStatuses),
    limit: sorts.pageSize,
    allowedAccounts: sorts.accounts,
  },
  hold: { accountId: sorts.uuid, holdId: sorts.uuid, allowedAccounts: sorts.accounts },
  holds: {
    accountId: sorts.uuid,
    after: sorts.uuid,
    status: sorts.oneOf(holdStatuses),
    reference: sorts.reference,
    order: sorts.oneOf(listOrders),
    limit: sorts.pageSize,
    allowedAccounts: sorts.accounts,
  },
  entries: {
    accountId: sorts.uuid,
    afterSeq: sorts.afterSeq,
    holdId: sorts.uuid,
    reference: sorts.reference,
    order: sorts.oneOf(listOrders),
    limit: sorts.pageSize,
    allowedAccounts: sorts.accounts,
  },
};

export interface RouteFields {
  readonly path?: Readonly<Record<string, Sort>>;
  /** Of the query string. */
  readonly query?: Readonly<Record<string, Sort>>;
  /** Checked by {@link idempotencyKeys} and by what `after` takes, which are no JSON. */
  readonly header?: readonly string[];
  readonly body?: Readonly<Record<string, Sort>>;
}

const changeRoute: RouteFields = { header: ['Idempotency-Key'] };
const eventsRoute: RouteFields = {
  header: ['Last-Event-ID'],
  query: { account: sorts.accountList, after: sorts.cursor },
};
const amountBody = { id: sorts.uuid, amount: sorts.amount, reference: sorts.reference };
const subtractRoute = { ...changeRoute, body: { ...amountBody, ...holdOptions } };
const endBody = { id: sorts.uuid, holdId: sorts.uuid };

/** By method and path, as /openapi.json names them. */
export const routeFields: Readonly<Record<string, RouteFields>> = {
  'get /api/ping': {},
  'get /healthz': {},
  'get /readyz': {},
  'get /api/status/{id}': { path: { id: sorts.uuid } },
  'post /api/add': { ...changeRoute, body: amountBody },
  'post /api/substract': subtractRoute,
  'post /api/subtract': subtractRoute,
  'get /api/status/{id}/entries': {
    path: { id: sorts.uuid },
    query: {
      afterSeq: sorts.afterSeq,
      holdId: sorts.uuid,
      reference: sorts.askedReference,
      order: sorts.oneOf(listOrders),
      limit: sorts.pageSize,
    },
  },
  'get /api/status/{id}/holds': {
    path: { id: sorts.uuid },
    query: {
      after: sorts.uuid,
      status: sorts.oneOf(holdStatuses),
      reference: sorts.askedReference,
      order: sorts.oneOf(listOrders),
      limit: sorts.pageSize,
    },
  },
  'get /api/status/{id}/holds/{holdId}': { path: { id: sorts.uuid, holdId: sorts.uuid } },
  'post /api/settle': { ...changeRoute, body: { ...endBody, amount: sorts.amount } },
  'post /api/release': { ...changeRoute, body: endBody },
  'post /api/extend': { ...changeRoute, body: { ...endBody, dueInSeconds: sorts.holdSeconds } },
  'post /api/transfer': { ...changeRoute, body: { ...amountBody, to: sorts.otherUuid } },
  'post /api/open': { ...changeRoute, body: { id: sorts.uuid, ...openingFields } },
  'post /api/set-limit': {
    ...changeRoute,
    body: { id: sorts.uuid, overdraftLimit: sorts.limitAmount, expectedVersion: sorts.version },
  },
  'post /api/close': { ...changeRoute, body: { id: sorts.uuid, expectedVersion: sorts.version } },
  'post /api/advance-clock': { ...changeRoute, body: { seconds: sorts.clockSeconds } },
  'get /api/accounts': {
    query: { after: sorts.uuid, status: sorts.oneOf(accountStatuses), limit: sorts.pageSize },
  },
  'get /api/events': eventsRoute,
};

/** What a client library lets through. Broken headers are tested on a bare connection: the gateway's own tests. */
export const idempotencyKeys = {
  right: { shortest: '!', longest: '~'.repeat(255), SQL: `1';DROP/**/TABLE/**/entries;--` },
  wrong: {
    'an empty text': '',
    'a blank within': 'a b',
    'a tab within': 'a\tb',
    'one too long': 'x'.repeat(256),
    'very long': 'x'.repeat(10_000),
    'not ASCII': 'caf\u00e9',
  },
} as const;
