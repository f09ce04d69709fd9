import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { natsSettings } from '../../shared/config/setting-groups.ts';
import { natsUserNames, type NatsUserName } from '../../shared/contracts/nats-users.ts';
import { hasCode } from '../../shared/telemetry/describe-error.ts';

/** Each user's password. */
export type NatsPasswords = Readonly<Record<NatsUserName, string>>;

/** How to reach a NATS as one of its users: the settings that a service, or the `nats` command, reads. */
export type NatsCredentials = Readonly<Record<'NATS_URL' | 'NATS_USER' | 'NATS_PASSWORD', string>>;

/** 192 bits. Letters, digits, - and _ alone: it stands in shells and configuration files as it is. */
const passwordBytes = 24;
const passwordPattern = /^[\w-]{32}$/;

/** The folder with a file of credentials for each user, which its owner alone can read. */
export function natsUsersFolder(dataDir: string): string {
  return join(dataDir, 'nats-users');
}

/** Where a user's credentials are: lines that `node --env-file` and shells read. */
export function natsUserFile(dataDir: string, user: NatsUserName): string {
  return join(natsUsersFolder(dataDir), `${user}.env`);
}

/** The passwords of a data folder's users, made for those that have none: they stay the same through restarts. */
export async function keptPasswords(dataDir: string): Promise<NatsPasswords> {
  const passwords: [NatsUserName, string][] = [];
  for (const user of natsUserNames) {
    const kept = (await readNatsUser(dataDir, user))?.NATS_PASSWORD;
    passwords.push([user, kept ?? randomBytes(passwordBytes).toString('base64url')]);
  }
  return Object.fromEntries(passwords) as Record<NatsUserName, string>;
}

/** Writes the file of each user: for people, and for the next start. */
export async function writeNatsUsers(dataDir: string, url: string, passwords: NatsPasswords): Promise<void> {
  const folder = natsUsersFolder(dataDir);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  for (const user of natsUserNames) {
    const file = natsUserFile(dataDir, user);
    const lines = Object.entries(credentialsOf(url, user, passwords)).map(
      ([name, text]) => `${name}=${text}\n`,
    );
    await writeFile(`${file}.new`, lines.join(''), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}

function credentialsOf(url: string, user: NatsUserName, passwords: NatsPasswords): NatsCredentials {
  return { NATS_URL: url, NATS_USER: user, NATS_PASSWORD: passwords[user] };
}

/** What a program sets that logs in as `user`. What is set for other servers has no effect. */
export function envForNats(
  { url, passwords }: { readonly url: string; readonly passwords: NatsPasswords },
  user: NatsUserName,
): Readonly<Record<keyof typeof natsSettings, string>> {
  const unset = { NATS_CREDS: '', NATS_TLS_CA: '', NATS_TLS_CERT: '', NATS_TLS_KEY: '' };
  return { ...credentialsOf(url, user, passwords), ...unset };
}

/** A user's credentials as they are in the data folder; undefined when there are none that can be used. */
export async function readNatsUser(
  dataDir: string,
  user: NatsUserName,
): Promise<NatsCredentials | undefined> {
  let text;
  try {
    text = await readFile(natsUserFile(dataDir, user), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  const [, url] = /^NATS_URL=(.+)$/m.exec(text) ?? [];
  const [, password] = /^NATS_PASSWORD=(.+)$/m.exec(text) ?? [];
  if (url === undefined || password === undefined || !passwordPattern.test(password)) return undefined;
  return { NATS_URL: url, NATS_USER: user, NATS_PASSWORD: password };
}
