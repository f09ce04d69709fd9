import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { hasCode, messageOf } from '../telemetry/describe-error.ts';
import { isSet, SettingsError } from './parse-settings.ts';

/**
 * Adds the settings of the file `.env` in `directory`, when there is one, to `env`. What `env` has already wins, but an
 * empty text counts as not set (a compose file passes `NAME=` for what it doesn't know; `process.loadEnvFile` would
 * keep that).
 *
 * @returns the names that the file gave.
 * @throws a `SettingsError` when the file is there but can't be read.
 */
export function loadEnvFile(env: NodeJS.ProcessEnv, directory: string): ReadonlySet<string> {
  const path = join(directory, '.env');
  let content;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return new Set();
    throw new SettingsError([
      `${path} can't be read (${messageOf(error)}): make it readable, or move it away`,
    ]);
  }
  const added = new Set<string>();
  for (const [name, value] of Object.entries(parseEnv(content))) {
    if (value === undefined || isSet(env[name])) continue;
    env[name] = value;
    added.add(name);
  }
  return added;
}
