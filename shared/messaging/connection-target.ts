import { credsAuthenticator, type ConnectionOptions, type TlsOptions } from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import type { NatsAccess } from '../config/nats-access.ts';

type NameCheck = Pick<TlsConnectionOptions, 'checkServerIdentity'>;

/** Where the client connects to, and as whom: a part of its options. */
export type ConnectionTarget = Pick<
  ConnectionOptions,
  'user' | 'pass' | 'token' | 'tls' | 'authenticator'
> & {
  servers: string[];
};

/** The client takes credentials as options only: it would read `user:1234@host` in a URL as port 1234. */
export function connectionTarget({ urls, user, credsFile, tls }: NatsAccess): ConnectionTarget {
  const parsed = urls.map((url) => new URL(url));
  const servers = parsed.map((url) => `${url.hostname}:${url.port === '' ? '4222' : url.port}`);
  const isTls = tls !== undefined || parsed.some((url) => url.protocol === 'tls:');
  const hosts = parsed.map((url) => url.hostname.replaceAll(/[[\]]/g, ''));
  const target = { servers, ...(isTls && { tls: tlsOptions(tls, checkingAddresses(hosts)) }) };
  if (user !== undefined) return { ...target, user: user.name, pass: user.password };
  if (credsFile !== undefined) {
    return { ...target, authenticator: credsAuthenticator(() => readFileSync(credsFile)) };
  }
  const named = parsed.find((url) => url.username !== '');
  if (named === undefined) return target;
  const name = decodeURIComponent(named.username);
  if (named.password === '') return { ...target, token: name };
  return { ...target, user: name, pass: decodeURIComponent(named.password) };
}

/**
 * Files are read at each connect, and by us: while the client (3.4) reads them, nobody listens to its socket, and one that
 * is reset then ends the process.
 */
function tlsOptions(files: NatsAccess['tls'], checks: NameCheck): TlsOptions & NameCheck {
  const options: TlsOptions & NameCheck = { ...checks };
  const wanted = { ca: files?.caFile, cert: files?.certFile, key: files?.keyFile };
  for (const [name, file] of Object.entries(wanted)) {
    if (file === undefined) continue;
    Object.defineProperty(options, name, { enumerable: true, get: () => readFileSync(file, 'utf8') });
  }
  return options;
}

/**
 * A server that is named by an address must have that in its certificate. The client (3.4) does not tell Node.js about
 * addresses, which then wants a certificate for localhost: `nats-access.e2e.test.ts` tries it.
 */
function checkingAddresses(hosts: readonly string[]): NameCheck {
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return {
    checkServerIdentity: (name, certificate) => {
      const isUntold = name === 'localhost' && !hosts.includes(name) && addresses.length > 0;
      const problems = (isUntold ? addresses : [name]).map((each) => checkServerIdentity(each, certificate));
      return problems.includes(undefined) ? undefined : problems[0];
    },
  };
}
