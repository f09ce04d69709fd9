import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { DueAction } from '../../shared/contracts/outcomes.ts';
import type { AccountCommandKind } from '../../shared/contracts/subjects.ts';

/** What a caller was told. */
export type Answer =
  /** It is in the books, as this version of the account. */
  | {
      readonly is: 'ok';
      readonly version: number;
      readonly balance: string;
      readonly held: string;
      readonly available: string;
      readonly holdId: string | undefined;
    }
  /** It was looked at and refused, for good. */
  | { readonly is: 'refused'; readonly code: string; readonly available: string | undefined }
  /** Certainly not applied, and never will be by this call. */
  | { readonly is: 'not-applied'; readonly code: string }
  | { readonly is: 'unknown'; readonly reason: string }
  /** The stream has it: it will be decided, and nobody waits for it. */
  | { readonly is: 'accepted' }
  /** What nobody should ever be told. */
  | { readonly is: 'fault'; readonly text: string };

/** The service did what it is there for: a refusal is an outcome as well. */
export function isOutcome({ is }: Answer): boolean {
  return is === 'ok' || is === 'refused' || is === 'accepted';
}

/** One time a command was sent. Times are of `performance.now()`. */
export interface Call {
  readonly door: string;
  readonly startMs: number;
  endMs: number;
  /** Past this time, in ms since 1970, it may not be applied. Where the caller set none there is none. */
  readonly deadlineMs: number | undefined;
  answer: Answer;
}

/** A hold that was answered to somebody. */
export interface HoldToEnd {
  readonly id: string;
  /** Minor units. */
  readonly amount: number;
}

/** A command, and all that its caller did to get it done: one id, one meaning, any number of calls. */
export interface Operation {
  readonly id: string;
  /** The idempotency key that stands for the id over HTTP. */
  readonly key: string;
  readonly accountId: string;
  readonly kind: AccountCommandKind;
  /** Minor units; 0 for a kind without an amount, and what the hold is of for one that takes all of it. */
  readonly amount: number;
  /** What its hold is to become when nobody ends it before; left out, it is settled. */
  readonly onDue?: DueAction;
  /** What an add or a subtract is for. */
  readonly reference?: string;
  /** The account that a transfer is to pay. */
  readonly toAccountId?: string;
  /** A close is to be done at this version alone; left out, at any. */
  readonly expectedVersion?: number;
  /** The hold that it is to end, or to extend by so many seconds. */
  readonly hold?: HoldToEnd;
  readonly dueInSeconds?: number;
  readonly calls: Call[];
}

/** Somebody looked at an account. */
export interface Read {
  readonly accountId: string;
  readonly door: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly version: number;
  readonly balance: string;
  readonly held: string;
}

/** All that clients did and were told, in memory for the checker and on disk for people. */
export class History {
  readonly operations: Operation[] = [];
  readonly reads: Read[] = [];
  readonly #file: WriteStream;

  constructor(path: string) {
    this.#file = createWriteStream(path);
  }

  /** Notes a command before it is sent for the first time. */
  begin(operation: Omit<Operation, 'calls'>): Operation {
    const begun = { ...operation, calls: [] };
    this.operations.push(begun);
    return begun;
  }

  /** Notes that a command is being sent; whoever sends it completes it. Until then its outcome is not known. */
  call(operation: Operation, door: string, deadlineMs?: number): (answer: Answer) => void {
    const startMs = performance.now();
    const call: Call = {
      door,
      startMs,
      endMs: Infinity,
      deadlineMs,
      answer: { is: 'unknown', reason: 'no answer' },
    };
    operation.calls.push(call);
    return (answer) => {
      call.answer = answer;
      call.endMs = performance.now();
      const { calls: _, ...what } = operation;
      this.note('call', { ...what, ...call });
    };
  }

  read(read: Read): void {
    this.reads.push(read);
    this.note('read', read);
  }

  /** A line in the file. */
  note(what: string, details: object): void {
    this.#file.write(`${JSON.stringify({ what, atMs: performance.now(), ...details })}\n`);
  }

  async close(): Promise<void> {
    this.#file.end();
    await finished(this.#file);
  }
}

/** What the caller of an operation may believe about it, from all its calls. */
export type Belief =
  | { readonly is: 'applied'; readonly answers: readonly Extract<Answer, { is: 'ok' }>[] }
  | { readonly is: 'refused'; readonly code: string; readonly available: string | undefined }
  | { readonly is: 'absent' }
  | { readonly is: 'accepted' }
  | { readonly is: 'unknown' };

export function beliefOf({ calls }: Operation): Belief {
  const answers = calls.map(({ answer }) => answer);
  const applied = answers.filter((answer) => answer.is === 'ok');
  if (applied.length > 0) return { is: 'applied', answers: applied };
  const refused = answers.find((answer) => answer.is === 'refused');
  if (refused?.is === 'refused') return refused;
  if (answers.some(({ is }) => is === 'accepted')) return { is: 'accepted' };
  return answers.every(({ is }) => is === 'not-applied') ? { is: 'absent' } : { is: 'unknown' };
}

/** When it can have been applied: after it was first sent in earnest, and before its caller was first told so. */
export function windowOf({ calls }: Operation): { fromMs: number; untilMs: number } {
  const inEarnest = calls.filter(({ answer }) => answer.is !== 'not-applied');
  const told = calls.filter(({ answer }) => answer.is === 'ok' || answer.is === 'refused');
  return {
    fromMs: Math.min(...inEarnest.map(({ startMs }) => startMs)),
    untilMs: Math.min(...told.map(({ endMs }) => endMs)),
  };
}
