import { isSet, type Environment } from '../../shared/config/parse-settings.ts';
import { natsPasswordVariables } from './nats-passwords.ts';

/** What the one word on the command line can be; without one the stack is started or updated. */
const words = { '--down': 'down', '--logs': 'logs', '--status': 'status', '--help': 'help' } as const;

export type Task = 'up' | (typeof words)[keyof typeof words];

export const usage = `PORT=8080 DB_PASSWORD=... APP_SECRET_KEY=... ./deploy.sh
  starts the stack, or updates it one service after the other when it runs

./deploy.sh --status   what runs, and how it is
./deploy.sh --logs     what all services write, until Ctrl-C
./deploy.sh --down     stops it; the data stay
`;

/** Undefined when the words are none that we know. */
export function readTask(args: readonly string[]): Task | undefined {
  const [word, ...more] = args;
  if (more.length > 0) return undefined;
  if (word === undefined) return 'up';
  return Object.hasOwn(words, word) ? words[word as keyof typeof words] : undefined;
}

/** Enough that nobody guesses it: 32 characters of base64 are 192 bits. */
const minKeyLength = 32;
const minPasswordLength = 12;
const natsPassword = new RegExp(String.raw`^[\w.~+/=-]{${minPasswordLength},}$`);
const maxPort = 65_535;

/** What is wrong with the environment for a start, in words that never repeat a secret. Empty is fine. */
export function findInputProblems(env: Environment): string[] {
  const problems: string[] = [];
  const secret = (name: string, what: string, minLength: number) => {
    const value = env[name] ?? '';
    if (value === '') problems.push(`${name} is not set: ${what}. Make one with: openssl rand -base64 33`);
    else if (value.length < minLength)
      problems.push(`${name} is too short: it needs ${minLength} characters or more.`);
    else if (value.trim() !== value) problems.push(`${name} begins or ends with a blank.`);
  };
  secret('DB_PASSWORD', 'the password that the database gets at its first start', minPasswordLength);
  // Characters: bytes, of which the gateway wants as many, are never fewer.
  secret('APP_SECRET_KEY', 'the key that tokens are signed with', minKeyLength);

  for (const name of natsPasswordVariables) {
    const value = env[name];
    // It stands between quotation marks in the broker's configuration.
    if (isSet(value) && !natsPassword.test(value))
      problems.push(`${name} must be ${minPasswordLength} or more letters, digits, or any of . _ ~ + / = -`);
  }

  const ports = { PORT: readPort(env, 'PORT', 8080), WATCH_PORT: readPort(env, 'WATCH_PORT', 3000) };
  for (const [name, port] of Object.entries(ports)) {
    if (port === undefined) problems.push(`${name} must be a port from 1 to ${maxPort}, not "${env[name]}".`);
  }
  if (ports.PORT !== undefined && ports.PORT === ports.WATCH_PORT) {
    problems.push(`PORT and WATCH_PORT must differ, and both are ${ports.PORT}.`);
  }
  return problems;
}

/** Undefined when it is no port. */
export function readPort(
  env: Environment,
  name: 'PORT' | 'WATCH_PORT',
  otherwise: number,
): number | undefined {
  const text = env[name] ?? '';
  if (text === '') return otherwise;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= maxPort ? port : undefined;
}
