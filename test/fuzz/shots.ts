import * as fc from 'fast-check';
import {
  accountCommandKinds,
  asyncCommandSubject,
  commandKinds,
  commandSubject,
  queryKinds,
  querySubject,
  type CommandKind,
  type QueryKind,
} from '../../shared/contracts/subjects.ts';
import { bodyValues, junk, otherValues } from '../bad-input/messages.ts';
import { asText, type Sort } from '../bad-input/sort.ts';
import { commandFields, idempotencyKeys, queryFields, routeFields } from '../bad-input/tables.ts';

/** One thing that is sent, and where. */
export type Shot =
  | {
      readonly door: 'command';
      readonly kind: CommandKind;
      readonly subject: string;
      readonly payload: Uint8Array;
    }
  | {
      readonly door: 'query';
      readonly kind: QueryKind;
      readonly subject: string;
      readonly payload: Uint8Array;
    }
  | { readonly door: 'stream'; readonly subject: string; readonly payload: Uint8Array }
  | {
      readonly door: 'http';
      readonly method: string;
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly payload: Uint8Array | undefined;
    };

/** Accounts that shots are often about, so that commands meet each other. The last one is not there at first. */
export const accountIds = Array.from(
  { length: 8 },
  (_, index) => `00000000-0000-4000-8000-00000000000${index}`,
);

/** Stands for a hold that its account has: there is none yet when shots are made. */
export const someHold = '00000000-0000-7000-8000-000000000000';

/** A table's value that is longer is sent seldom: the time goes to many shots, not to large ones. */
const usualLength = 2_000;

type Fields = Readonly<Record<string, Sort>>;

/** Values that would do. Closing goes to accounts of nobody's, or there would soon be none to write to. */
function goodValue(field: string, isClose: boolean): fc.Arbitrary<string> {
  const uuid = fc.uuid().map((each) => JSON.stringify(each));
  switch (field) {
    case 'to':
    case 'toAccountId':
      return fc.constantFrom(...accountIds).map((each) => JSON.stringify(each));
    case 'accountId':
      return isClose ? uuid : fc.constantFrom(...accountIds).map((each) => JSON.stringify(each));
    case 'id':
      // Few enough that some come twice.
      return fc.oneof({ weight: 9, arbitrary: uuid }, { weight: 2, arbitrary: smallUuid });
    case 'amount':
      return fc
        .tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 99 }))
        .map(([units, cents]) => JSON.stringify(`${units}.${cents.toString().padStart(2, '0')}`));
    case 'overdraftLimit':
      return fc.integer({ min: 0, max: 50 }).map((units) => JSON.stringify(`${units}`));
    case 'dueInSeconds':
    case 'seconds':
      // Nothing falls due while this goes on.
      return fc.integer({ min: 3_600, max: 86_400 }).map(String);
    case 'holdId':
      return fc.constant(JSON.stringify(someHold));
    case 'name':
      return fc.constant('"Test account"');
    default:
      return uuid;
  }
}

const smallUuid = fc
  .integer({ min: 0, max: 99 })
  .map((each) => JSON.stringify(`00000000-0000-4000-8000-${each.toString().padStart(12, '0')}`));

/** A field's value as JSON text: one that would do, one of the table, or any JSON; undefined leaves it out. */
function fieldValue(field: string, sort: Sort, isClose: boolean): fc.Arbitrary<string | undefined> {
  const known = [...Object.values(sort.right), ...Object.values(sort.wrong)];
  const short = known.filter(({ length }) => length <= usualLength);
  const isNeeded = field in bodyValues || field === 'accountId';
  return fc.oneof(
    { weight: isNeeded ? 150 : 1, arbitrary: isNeeded ? goodValue(field, isClose) : fc.constant(undefined) },
    { weight: 8, arbitrary: fc.constantFrom(...short) },
    { weight: 3, arbitrary: fc.json({ maxDepth: 3 }) },
    {
      weight: 3,
      arbitrary: fc.string({ unit: 'binary', maxLength: 60 }).map((each) => JSON.stringify(each)),
    },
    { weight: isNeeded ? 3 : 40, arbitrary: fc.constant(undefined) },
  );
}

/** An object with the fields of a table, and now and then one of its own. */
function nearObject(fields: Fields, isClose = false): fc.Arbitrary<string> {
  const values = Object.entries(fields).map(([field, sort]) =>
    fieldValue(field, sort, isClose).map((text) =>
      text === undefined ? [] : [`${JSON.stringify(field)}:${text}`],
    ),
  );
  const surplus = fc.oneof(
    { weight: 30, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.string({ unit: 'binary', maxLength: 20 }), fc.json({ maxDepth: 2 })),
    },
  );
  return fc.tuple(surplus, ...values).map(([more, ...members]) => {
    const added = more === null ? [] : [`${JSON.stringify(more[0])}:${more[1]}`];
    return `{${[...members.flat(), ...added].join(',')}}`;
  });
}

const bytes = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? Buffer.from(text) : text;

/** Nothing that anyone would send. */
const junkBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constantFrom(...Object.values(junk), ...Object.values(otherValues)).map(bytes),
  fc.uint8Array({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 200 }).map(bytes),
  fc.json({ maxDepth: 6 }).map(bytes),
);

/** As given, with a few bytes changed, cut out or doubled. */
function damaged(good: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  return fc
    .tuple(good, place, fc.uint8Array({ minLength: 1, maxLength: 4 }), fc.nat({ max: 4 }))
    .map(([whole, where, put, skip]) => {
      const at = Math.floor(where * whole.length);
      return Buffer.concat([whole.subarray(0, at), put, whole.subarray(at + skip)]);
    });
}

/** One element or an array of some, mostly whole. */
function message(element: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  const single = element.map(bytes);
  const many = fc
    .array(fc.oneof({ weight: 30, arbitrary: element }, { weight: 1, arbitrary: fc.json() }), {
      maxLength: 12,
    })
    .map((elements) => bytes(`[${elements.join(',')}]`));
  return fc.oneof(
    { weight: 50, arbitrary: single },
    { weight: 10, arbitrary: many },
    { weight: 15, arbitrary: damaged(single) },
    { weight: 15, arbitrary: junkBytes },
  );
}

const commandShots = commandKinds.map((kind) =>
  message(nearObject(commandFields[kind], kind === 'close')).map((payload): Shot => ({
    door: 'command',
    kind,
    subject: commandSubject(kind),
    payload,
  })),
);

const queryShots = queryKinds.map((kind) =>
  message(nearObject(queryFields[kind])).map((payload): Shot => ({
    door: 'query',
    kind,
    subject: querySubject(kind),
    payload,
  })),
);

const streamShots = accountCommandKinds.map((kind) =>
  message(nearObject(commandFields[kind], kind === 'close')).map((payload): Shot => ({
    door: 'stream',
    subject: asyncCommandSubject(kind),
    payload,
  })),
);

const contentType = fc.oneof(
  { weight: 40, arbitrary: fc.constant('application/json') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      'text/plain',
      'application/json; charset=utf-16',
      'multipart/form-data',
      '/',
    ),
  },
);
const key = fc.oneof(
  { weight: 20, arbitrary: fc.uuid() },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 999 }).map(String) },
  { weight: 2, arbitrary: fc.constantFrom(...Object.values(idempotencyKeys.right)) },
  { weight: 1, arbitrary: fc.constantFrom('', 'a b', 'x'.repeat(300), 'caf\u00e9') },
);
const method = fc.oneof(
  { weight: 60, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom('GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'POST') },
);

const httpShots = Object.entries(routeFields).map(([route, fields]) => {
  const [ownMethod = '', template = ''] = route.split(' ');
  const path = fc
    .webPath()
    .chain((junkPath) =>
      fc
        .oneof(
          { weight: 8, arbitrary: fc.constantFrom(...accountIds) },
          { weight: 2, arbitrary: fc.string({ unit: 'binary' }).map(encodeLossily) },
          { weight: 1, arbitrary: fc.constant(`${junkPath}%`) },
        )
        .map((segment) => template.replace(/\{\w+\}/, () => segment)),
    )
    .chain((address) => queryString(fields.query ?? {}).map((query) => address + query));
  const body = fields.body === undefined ? undefined : httpBody(fields.body, template === '/api/close');
  return fc
    .record({
      method,
      path,
      headers: fc.record({ 'content-type': contentType, 'idempotency-key': key }),
      payload: body ?? fc.constant(undefined),
    })
    .map((given): Shot => ({ door: 'http', ...given, method: given.method ?? ownMethod.toUpperCase() }));
});

/** None, or some fields of a query string, right or wrong. */
function queryString(fields: Fields): fc.Arbitrary<string> {
  const values = Object.entries(fields).map(([field, { right, wrong }]) =>
    fc
      .constantFrom(undefined, ...Object.values(right), ...Object.values(wrong))
      .map((text) => (text === undefined ? [] : [`${field}=${encodeLossily(asText(text).slice(0, 1_000))}`])),
  );
  return fc.tuple(...values).map((some) => (some.flat().length === 0 ? '' : `?${some.flat().join('&')}`));
}

function httpBody(fields: Fields, isClose: boolean): fc.Arbitrary<Uint8Array> {
  const { id, ...others } = fields;
  // The body's id is the account's.
  return message(nearObject({ ...others, ...(id !== undefined && { accountId: id }) }, isClose)).map(
    (payload) =>
      Buffer.from(Buffer.from(payload).toString('latin1').replaceAll('"accountId"', '"id"'), 'latin1'),
  );
}

function encodeLossily(text: string): string {
  return encodeURIComponent(text.toWellFormed()) || '%00';
}

const changes = (shot: fc.Arbitrary<Shot>) => ({ weight: 10, arbitrary: shot });
const others = (shot: fc.Arbitrary<Shot>) => ({ weight: 3, arbitrary: shot });

/** Anything on any door; what changes the books most of the time. */
export const shots: fc.Arbitrary<Shot> = fc.oneof(
  ...commandShots.map(changes),
  ...httpShots.map(changes),
  ...queryShots.map(others),
  // Each is on the broker's disk before it is acknowledged.
  ...streamShots.map((shot) => ({ weight: 1, arbitrary: shot })),
);
