import type { ServiceName } from '../../../deploy/local/service-process.ts';
import type { LineKind } from '../stack/service-victim.ts';
import type { Direction } from '../../support/tcp-proxy.ts';

export type ServerName = 'nats' | 'postgres';

export interface ServiceAt {
  readonly service: ServiceName;
  readonly index: number;
}

/** A line of a service, to the broker or the database, or from its clients. */
export interface LineAt extends ServiceAt {
  readonly line: LineKind;
}

/** Everything that can go wrong here, as data: what the seed decides, and what the report counts. */
export type Fault =
  | ({ readonly kind: 'kill service'; readonly downMs: number } & ServiceAt)
  | ({ readonly kind: 'freeze service'; readonly forMs: number } & ServiceAt)
  | ({ readonly kind: 'wrong clock'; readonly shiftMs: number; readonly forMs: number } & ServiceAt)
  | { readonly kind: 'kill server'; readonly server: ServerName; readonly downMs: number }
  | { readonly kind: 'freeze server'; readonly server: ServerName; readonly forMs: number }
  /** A process of Postgres that serves one session: killed outright, or asked to end. */
  | { readonly kind: 'kill backend'; readonly signal: 'SIGKILL' | 'SIGTERM'; readonly pick: number }
  | { readonly kind: 'freeze backend'; readonly forMs: number; readonly pick: number }
  /** Somebody locks accounts by hand, and keeps them. */
  | { readonly kind: 'lock accounts'; readonly count: number; readonly pick: number; readonly forMs: number }
  | ({ readonly kind: 'cut line' } & LineAt)
  /** Cut after Postgres has committed and before the ledger hears of it. */
  | { readonly kind: 'lose commit answer'; readonly ledger: number }
  | ({ readonly kind: 'slow line'; readonly delayMs: number; readonly forMs: number } & LineAt)
  /** Bytes of one direction wait, and arrive after all. */
  | ({ readonly kind: 'stalled line'; readonly direction: Direction; readonly forMs: number } & LineAt)
  /** Bytes of one direction vanish, and nobody hears of it before the line is reset at last. */
  | ({ readonly kind: 'half-cut line'; readonly direction: Direction; readonly forMs: number } & LineAt)
  | { readonly kind: 'full disk'; readonly of: ServerName; readonly forMs: number }
  | { readonly kind: 'deliver due again'; readonly times: number }
  /** The broker is killed and comes back with an empty data folder. */
  | { readonly kind: 'lose broker data'; readonly downMs: number };

export type FaultKind = Fault['kind'];
