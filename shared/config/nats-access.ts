import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { isDecodable } from './is-decodable.ts';
import { SettingsError } from './parse-settings.ts';
import type { natsSettings } from './setting-groups.ts';

/** Where NATS is, and as whom and how to reach it. */
export interface NatsAccess {
  /** Servers of one cluster; one may carry `user:password@` or `token@`, which then holds for all. */
  readonly urls: readonly string[];
  readonly user?: { readonly name: string; readonly password: string };
  /** A file with a user's JWT and key. Read at each connect, as are those below: it may be replaced. */
  readonly credsFile?: string;
  /** Given, a server without TLS is refused. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
}

type NatsTexts = z.output<z.ZodObject<typeof natsSettings>>;

/** Puts the settings about NATS together. Throws a `SettingsError` when they contradict each other. */
export function readNatsAccess(given: NatsTexts): NatsAccess {
  const problems = [...findProblems(given)];
  if (problems.length > 0) throw new SettingsError(problems);
  const { NATS_USER: name, NATS_PASSWORD: password = '', NATS_CREDS: credsFile } = given;
  const { NATS_TLS_CA: caFile, NATS_TLS_CERT: certFile, NATS_TLS_KEY: keyFile } = given;
  const files = {
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
  };
  const isTls =
    Object.keys(files).length > 0 || given.NATS_URL.some((url) => new URL(url).protocol === 'tls:');
  return {
    urls: given.NATS_URL,
    ...(name !== undefined && { user: { name, password } }),
    ...(credsFile !== undefined && { credsFile }),
    ...(isTls && { tls: files }),
  };
}

function* findProblems(given: NatsTexts): Generator<string> {
  const urls = given.NATS_URL.map((url) => new URL(url));
  const named = urls.some(({ username }) => username !== '');
  if (urls.some(({ username, password }) => !isDecodable(username + password))) {
    yield 'NATS_URL has a user or password with a % that is not part of an escape: write it as %25';
  }
  const ways = [
    ...(given.NATS_USER === undefined ? [] : ['NATS_USER']),
    ...(given.NATS_CREDS === undefined ? [] : ['NATS_CREDS']),
    ...(named ? ['a user in NATS_URL'] : []),
  ];
  if (ways.length > 1) yield `${ways.join(' and ')} are given, but it should be one of them`;
  if (given.NATS_USER === undefined && given.NATS_PASSWORD !== undefined) {
    yield 'NATS_PASSWORD is set, but NATS_USER is not: set whose password it is';
  }
  if (given.NATS_USER !== undefined && given.NATS_PASSWORD === undefined) {
    yield 'NATS_USER is set, but NATS_PASSWORD is not: set both';
  }
  if ((given.NATS_TLS_CERT === undefined) !== (given.NATS_TLS_KEY === undefined)) {
    yield 'NATS_TLS_CERT and NATS_TLS_KEY are a certificate and its key: set both or none';
  }
  if (given.NATS_CREDS !== undefined && !isCredsFile(given.NATS_CREDS)) {
    yield 'NATS_CREDS names a file without a JWT and a key: make one with nsc generate creds';
  }
}

function isCredsFile(path: string): boolean {
  const text = readFileSync(path, 'utf8');
  return /^-+BEGIN NATS USER JWT-+$/m.test(text) && /^-+BEGIN USER NKEY SEED-+$/m.test(text);
}
