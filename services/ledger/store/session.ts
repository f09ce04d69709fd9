import { TypeOverrides, types, type ClientConfig } from 'pg';
import { microsOfMillis, type Micros } from '../domain/time.ts';

/** How the connection to Postgres is encrypted: by whoever answers there, or only by one whose certificate is right. */
export type DatabaseTls =
  | { readonly verify: false }
  /** `ca`: the certificates (PEM) that its own must lead to; without them, those that Node.js trusts. */
  | { readonly verify: true; readonly ca?: string };

/** Where Postgres is and who asks. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly name: string;
  /** Without it, in the clear. */
  readonly tls?: DatabaseTls;
  /** The role to work as; without one, as the user. */
  readonly role?: string;
}

/**
 * What every ledger session asks of the server. An answer goes out after COMMIT only, so COMMIT must mean *on disk*;
 * and a frozen ledger or a half-open connection must not keep its locks for long.
 */
const sessionSettings = {
  synchronous_commit: 'on',
  idle_in_transaction_session_timeout: '2s',
  lock_timeout: '3s',
  tcp_user_timeout: '5s',
  // Times are read by position, see parseTimestamp.
  timezone: 'UTC',
  datestyle: 'ISO',
  // Every statement is planned once, also on empty tables, and always reaches its rows by key.
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  // Short statements only: compiling them costs more than it brings.
  jit: 'off',
  // Each row is looked at once: remembering what was found costs more than looking.
  enable_memoize: 'off',
} as const;

/** Longer than any lock wait or commit should take, in milliseconds: past it the connection counts as dead. */
export const queryTimeoutMs = 8_000;
const connectTimeoutMs = 3_000;

/** What `pg` wants to know about TLS. A server without it is refused. */
export function tlsConfig(tls: DatabaseTls | undefined): Pick<ClientConfig, 'ssl'> {
  if (tls === undefined) return {};
  if (!tls.verify) return { ssl: { rejectUnauthorized: false } };
  return { ssl: { rejectUnauthorized: true, ...(tls.ca !== undefined && { ca: tls.ca }) } };
}

/**
 * A connection that has been quiet for so long is probed once a second, and lost after ten probes without an answer (Node.js
 * sets both): a server whose machine or network is gone is noticed within 12 s. Left out or 0, it would be the kernel's two
 * hours. It does not notice a server that is frozen, since its kernel answers; nor what was sent and not acknowledged, which
 * Linux sends again for about a quarter of an hour (its TCP_USER_TIMEOUT can't be set from Node.js). Only a bound on
 * the query itself helps against these.
 */
const keepAliveAfterMs = 2_000;

/**
 * The same for PostgreSQL's end of the connection: a session whose machine or network is gone ends within half a minute, and
 * with it its locks and its place among `max_connections`. They would be kept for the server's own two hours.
 */
const keepAliveSettings = {
  tcp_keepalives_idle: '10s',
  tcp_keepalives_interval: '3s',
  tcp_keepalives_count: '3',
} as const;

/**
 * What a standby, or a server that takes no writes, refuses at once and a primary takes for granted. Otherwise a session that
 * a name or a proxy led astray while the standby was promoted would stay there, where nothing can be written and what is
 * read may be old, long after both lead to the primary.
 */
const primaryOnly = { transaction_read_only: 'off' } as const;

/** As `pg` hands them on when it connects. */
function asOptions(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, String.raw`\$&`)}`)
    .join(' ');
}

/**
 * A session that migrates: no bounds on its statements, since building an index may take its time.
 *
 * @param settings of the session, beside those that every one has.
 */
export function migrationConfig(
  address: DatabaseAddress,
  settings: Readonly<Record<string, string>> = {},
): ClientConfig {
  return {
    host: address.host,
    port: address.port,
    user: address.user,
    ...(address.password !== undefined && { password: address.password }),
    database: address.name,
    ...tlsConfig(address.tls),
    application_name: 'holdfast-migrate',
    options: asOptions({ ...keepAliveSettings, ...primaryOnly, ...settings }),
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveAfterMs,
  };
}

/** A session that reads the books at length, in one snapshot and without bounds; of a standby as well. */
export function reportConfig(address: DatabaseAddress): ClientConfig {
  return {
    ...migrationConfig(address),
    application_name: 'holdfast-report',
    options: asOptions({
      ...keepAliveSettings,
      timezone: sessionSettings.timezone,
      datestyle: sessionSettings.datestyle,
    }),
    types: typeParsers,
  };
}

/** A session that serves commands or queries, for `pg` and for knex. */
export function sessionConfig(address: DatabaseAddress): ClientConfig {
  return {
    ...migrationConfig(address),
    application_name: 'holdfast-ledger',
    options: asOptions({
      ...keepAliveSettings,
      ...primaryOnly,
      ...sessionSettings,
      ...(address.role !== undefined && { role: address.role }),
    }),
    query_timeout: queryTimeoutMs,
    types: typeParsers,
  };
}

/** bigint as bigint, times as microseconds, json as its text: what is hashed must not be reformatted. */
const typeParsers = new TypeOverrides();
typeParsers.setTypeParser(types.builtins.INT8, BigInt);
typeParsers.setTypeParser(types.builtins.TIMESTAMPTZ, parseTimestamp);
typeParsers.setTypeParser(types.builtins.JSON, (text) => text);

/** What reads a value of a type, by its object id, out of its text. */
export function parserOf(type: number): (text: string) => unknown {
  // `@types/pg` declares it as a function of the number.
  return typeParsers.getTypeParser(type) as unknown as (text: string) => unknown;
}

/** `2026-01-31 12:00:00.123456+00`, as Postgres writes a timestamptz with DateStyle ISO and TimeZone UTC. */
export function parseTimestamp(text: string): Micros {
  const wholeSeconds = microsOfMillis(Date.parse(`${text.slice(0, 10)}T${text.slice(11, 19)}Z`));
  const plus = text.indexOf('+', 19);
  const fraction = text.slice(20, plus).padEnd(6, '0');
  return (wholeSeconds + (plus > 20 ? Number(fraction) : 0)) as Micros;
}
