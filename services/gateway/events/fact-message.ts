import type { Fact } from '../../../shared/contracts/events.ts';
import type { Cursor } from './cursor.ts';
import { eventFrame } from './frames.ts';

/** A message of the stream, as all callers get it. */
export interface FactMessage {
  readonly sequence: number;
  /** What comes behind it. */
  readonly end: Cursor;
  /** Whom it is about. */
  readonly accounts: ReadonlySet<string>;
  readonly facts: readonly { readonly accountId: string; readonly frame: string }[];
  /** All of them. */
  readonly whole: string;
}

const typeNames = ['entry', 'refusal'] as const satisfies Fact['type'][];

/** What is looked at of a fact; the rest is handed on as it came. */
type KnownPart = Pick<Fact, 'type'> & { readonly accountId: string };

/**
 * Reads a message once, for all callers.
 *
 * @param write how JSON is written.
 * @throws when it holds no facts.
 */
export function readFactMessage(
  payload: { readonly sequence: number; readonly since: number; readonly text: string },
  write: (json: string) => string,
): FactMessage {
  const { sequence, since, text } = payload;
  const parsed: unknown = JSON.parse(text);
  if (!isArrayOfFacts(parsed)) throw new TypeError('not an array of facts');
  const end = endOfMessage(payload);
  const facts = parsed.map((fact, index) => {
    // What comes behind the last one is the next message: so it is known whether all of this one was given.
    const next = index === parsed.length - 1 ? end : { sequence, index: index + 1, since };
    const frame = eventFrame(fact.type, next, write(JSON.stringify(fact)));
    return { accountId: fact.accountId, frame };
  });
  const accounts = new Set(facts.map(({ accountId }) => accountId));
  return { sequence, end, accounts, facts, whole: facts.map(({ frame }) => frame).join('') };
}

/** By hand: with a schema it takes four times as long, of the time that commands need. */
function isArrayOfFacts(value: unknown): value is KnownPart[] {
  return Array.isArray(value) && value.every(isFact);
}

function isFact(value: unknown): value is KnownPart {
  if (typeof value !== 'object' || value === null) return false;
  const { type, accountId } = value as Record<string, unknown>;
  return typeof accountId === 'string' && typeNames.some((name) => name === type);
}

/** Stands for a message that holds no facts. */
export function emptyMessage(place: Pick<Cursor, 'sequence' | 'since'>): FactMessage {
  return {
    sequence: place.sequence,
    end: endOfMessage(place),
    accounts: new Set(),
    facts: [],
    whole: '',
  };
}

function endOfMessage({ sequence, since }: Pick<Cursor, 'sequence' | 'since'>): Cursor {
  return { sequence: sequence + 1, index: 0, since };
}
