import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { isSet, type Environment } from '../../shared/config/parse-settings.ts';
import { natsPasswordVariable, natsUserNames } from '../../shared/contracts/nats-users.ts';
import { hasCode } from '../../shared/telemetry/describe-error.ts';

/** Beside docker-compose.yml, for its owner alone; git and the image's build leave it out. */
const passwordsFile = '.nats-passwords.env';

/** 192 bits. */
const passwordBytes = 24;

/** The variables that docker-compose.yml wants. */
export const natsPasswordVariables: readonly string[] = natsUserNames.map(natsPasswordVariable);

/**
 * The passwords of the stack's NATS users: from `env`, or else from the file of an earlier start, or else made now and
 * kept in the file.
 */
export async function provideNatsPasswords(root: string, env: Environment): Promise<Record<string, string>> {
  const file = join(root, passwordsFile);
  const kept = await readKept(file);
  const made = Object.fromEntries(
    natsPasswordVariables
      .filter((name) => !isSet(env[name]) && !isSet(kept[name]))
      .map((name) => [name, randomBytes(passwordBytes).toString('base64url')]),
  );
  const all = { ...kept, ...made };
  if (Object.keys(made).length > 0) {
    const lines = Object.entries(all).map(([name, password]) => `${name}=${password}\n`);
    await writeFile(`${file}.new`, lines.join(''), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  return Object.fromEntries(
    natsPasswordVariables.map((name) => {
      const given = env[name];
      return [name, isSet(given) ? given : (all[name] ?? '')];
    }),
  );
}

async function readKept(file: string): Promise<Environment> {
  try {
    return parseEnv(await readFile(file, 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return {};
    throw error;
  }
}
