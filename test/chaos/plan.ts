import type { ServiceName } from '../../deploy/local/service-process.ts';
import type { Direction } from '../support/tcp-proxy.ts';
import type { Fault, FaultKind, LineAt, ServerName, ServiceAt } from './faults/fault.ts';
import type { Random } from './random.ts';

/** How many of each service there are. */
export type Shape = Readonly<Record<ServiceName, number>>;

/** One fault, or several that overlap, and then peace until all doors serve again. */
export interface Episode {
  readonly faults: readonly { readonly afterMs: number; readonly fault: Fault }[];
  /** After everything serves again. */
  readonly peaceMs: number;
}

const downMs = { from: 100, to: 10_000 };
const freezeMs = { from: 1_000, to: 30_000 };
const lineMs = { from: 500, to: 8_000 };
const delayMs = { from: 20, to: 1_200 };
/** Most are longer than a ledger waits for a lock. */
const lockMs = { from: 2_000, to: 15_000 };
const mostLocked = 8;
const diskMs = { from: 1_000, to: 6_000 };
const clockMs = { from: 2_000, to: 10_000 };
/** In either direction. */
const wrongByMs = 10 * 60_000;
const peaceMs = { from: 200, to: 2_000 };
/** At most so long between the beginnings of faults that are done together. */
const togetherMs = 3_000;

/** How often each comes up, against the others. Those that take long come up less often. */
const weights: Readonly<Record<FaultKind, number>> = {
  'kill service': 6,
  'freeze service': 4,
  'wrong clock': 2,
  'kill server': 4,
  'freeze server': 2,
  'kill backend': 4,
  'freeze backend': 2,
  'lock accounts': 3,
  'cut line': 6,
  'lose commit answer': 8,
  'slow line': 3,
  'stalled line': 3,
  'half-cut line': 3,
  'full disk': 2,
  'deliver due again': 3,
  'lose broker data': 1,
};
export const faultKinds = Object.keys(weights) as FaultKind[];

/** Kinds that hit a server hit either. */
const onServers: ReadonlySet<FaultKind> = new Set(['kill server', 'freeze server', 'full disk']);
const servers: readonly ServerName[] = ['nats', 'postgres'];

/** Every third episode is of several faults until each kind has been alone once; after that chance decides. */
const togetherEvery = 3;

/** An endless schedule of these kinds of faults, the same for the same chance and shape. */
export function* plan(random: Random, shape: Shape, usable: readonly FaultKind[]): Generator<Episode> {
  const bag = usable.flatMap((kind) => Array.from({ length: weights[kind] }, () => kind));
  const alone = shuffled(
    random,
    usable.flatMap((kind): { kind: FaultKind; server?: ServerName }[] =>
      onServers.has(kind) ? servers.map((server) => ({ kind, server })) : [{ kind }],
    ),
  );
  const any = (): Fault => faultOf(random.pick(bag), random, shape);
  for (let number = 1; ; number += 1) {
    const next = number % togetherEvery === 0 ? undefined : alone.pop();
    const count = number % togetherEvery === 0 ? random.int(2, 3) : random.pick([1, 1, 2]);
    const faults =
      next === undefined
        ? Array.from({ length: count }, any)
        : [faultOf(next.kind, random, shape, next.server)];
    yield {
      faults: faults.map((fault, index) => ({
        afterMs: index === 0 ? 0 : random.int(0, togetherMs),
        fault,
      })),
      peaceMs: random.int(peaceMs.from, peaceMs.to),
    };
  }
}

function faultOf(kind: FaultKind, random: Random, shape: Shape, server = random.pick(servers)): Fault {
  const time = ({ from, to }: { from: number; to: number }): number => random.magnitude(from, to);
  const direction = random.pick<Direction>(['toServer', 'toClient']);
  switch (kind) {
    case 'kill service':
      return { kind, ...anyService(random, shape), downMs: time(downMs) };
    case 'freeze service':
      return { kind, ...anyService(random, shape), forMs: time(freezeMs) };
    case 'wrong clock': {
      const shiftMs = random.pick([-wrongByMs, wrongByMs]);
      return { kind, ...anyService(random, shape), shiftMs, forMs: time(clockMs) };
    }
    case 'kill server':
      return { kind, server, downMs: time(downMs) };
    case 'freeze server':
      return { kind, server, forMs: time(freezeMs) };
    case 'kill backend':
      return { kind, signal: random.pick(['SIGKILL', 'SIGTERM']), pick: random.int(0, 9) };
    case 'freeze backend':
      return { kind, forMs: time(freezeMs), pick: random.int(0, 3) };
    case 'lock accounts':
      return { kind, count: random.int(1, mostLocked), pick: random.int(0, 999), forMs: time(lockMs) };
    case 'cut line':
      return { kind, ...anyLine(random, shape) };
    case 'lose commit answer':
      return { kind, ledger: random.int(0, shape.ledger - 1) };
    case 'slow line':
      return { kind, ...anyLine(random, shape), delayMs: time(delayMs), forMs: time(lineMs) };
    case 'stalled line':
    case 'half-cut line':
      return { kind, ...anyLine(random, shape), direction, forMs: time(lineMs) };
    case 'full disk':
      return { kind, of: server, forMs: time(diskMs) };
    case 'deliver due again':
      return { kind, times: random.int(1, 50) };
    case 'lose broker data':
      return { kind, downMs: time(downMs) };
  }
}

function anyService(random: Random, shape: Shape): ServiceAt {
  const service = random.pick<ServiceName>(['gateway', 'ledger', 'ledger', 'settler']);
  return { service, index: random.int(0, shape[service] - 1) };
}

function anyLine(random: Random, shape: Shape): LineAt {
  const line = random.pick(['db', 'db', 'nats', 'http'] as const);
  if (line === 'nats') return { line, ...anyService(random, shape) };
  const service = line === 'db' ? 'ledger' : 'gateway';
  return { line, service, index: random.int(0, shape[service] - 1) };
}

function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const rest = [...list];
  return list.flatMap(() => rest.splice(random.int(0, rest.length - 1), 1));
}
