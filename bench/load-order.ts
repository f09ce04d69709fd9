import type { NatsAccess } from '../shared/config/nats-access.ts';
import type { Latency } from './latency.ts';

/** What an HTTP request of a load is. */
export type RequestKind = 'ping' | 'status' | 'substract' | 'add';

interface Common {
  readonly seconds: number;
  /** Each command picks one of this many accounts at random; 1 is the one hot account. */
  readonly accounts: number;
}

/** A load by HTTP/1.1, one request at a time on each of the kept-alive connections. */
export interface HttpOrder extends Common {
  readonly url: string;
  readonly connections: number;
  /** Of a hundred requests, so many of each kind. */
  readonly mix: Readonly<Partial<Record<RequestKind, number>>>;
  /** Open loop: requests start at this rate, however fast the answers are. Without it, closed loop. */
  readonly perSecond?: number;
}

/** A load of subtracts over NATS, as another service would send them. */
export interface NatsOrder extends Common {
  readonly nats: NatsAccess;
  /** Commands in one message. */
  readonly arrayOf: number;
  /** Messages under way at a time. */
  readonly messages: number;
}

/** What a generator's process writes to its standard output. */
export interface LoadResult {
  /** Answered per second while it was measured, its warm-up not counted. */
  readonly perSecond: number;
  readonly latency: Latency;
  /** Commands and questions answered well from its first to its last, the warm-up and those under way at the bell too. */
  readonly answered: Readonly<Record<RequestKind, number>>;
  /** Answers that were none or not the right one, and the first of them in words. */
  readonly failed: number;
  readonly firstFailure?: string;
  /** Seconds of CPU that the generator itself took from its first request to its last answer. */
  readonly cpuSeconds: number;
  /** Share of one processor that it kept busy while it loaded. */
  readonly cpuShare: number;
}

/** A service's code is compiled while it is used, and so is the generator's: the first part is not counted. */
export const warmUpSeconds = 0.5;

/** A part of a load that does not wait for answers. */
export interface Phase {
  readonly seconds: number;
  /** Without it each connection sends as soon as it has an answer. */
  readonly perSecond?: number;
  /** How many connections are used: all there are, if not said. */
  readonly connections?: number;
}

/** What the generator that does not wait for answers is told. */
export interface SteadyOrder {
  readonly url: string;
  readonly connections: number;
  readonly phases: readonly Phase[];
  /** Each request picks one of this many accounts at random. */
  readonly accounts: number;
  /** Subtracts alone, or of ten requests five subtracts, three adds and two looks at a balance. */
  readonly mixed: boolean;
}

/** What came of a phase. */
export interface PhaseResult {
  /** Changes that were acknowledged with 200. */
  readonly applied: number;
  readonly looks: number;
  /** 503 with the code `overloaded` and a Retry-After. */
  readonly refused: number;
  /** Every other answer and broken connection, by what it was. */
  readonly unexpected: Readonly<Record<string, number>>;
  /** No answer had come 10 s after the last phase. */
  readonly unanswered: number;
  /** Would have been sent, had not every connection waited for an answer already. */
  readonly notSent: number;
  /** From sending the request to having the answer. */
  readonly ok: Latency;
  readonly refusal: Latency;
  /** When the last request left that was refused, or took longer than `slowMs`; from the phase's beginning. */
  readonly lastTroubleMs: number;
}

/** What that generator writes to its standard output. */
export interface SteadyResult {
  readonly phases: readonly PhaseResult[];
  readonly cpuSeconds: number;
}
