import { loadEnvFile } from '../../shared/config/load-env-file.ts';
import { isSet, SettingsError, type Environment } from '../../shared/config/parse-settings.ts';
import { findInputProblems, readPort, readTask, usage } from './input.ts';
import { natsPasswordVariables, provideNatsPasswords } from './nats-passwords.ts';
import { ComposeFailed, Stack } from './stack.ts';

/** `./deploy.sh`: does what `args` say with the stack of the clone in `root`; resolves with the exit code. */
export async function deploy(root: string, args: readonly string[]): Promise<number> {
  const env = { ...process.env };
  const task = readTask(args);
  if (task === undefined || task === 'help') {
    const output = task === 'help' ? process.stdout : process.stderr;
    output.write(usage);
    return task === 'help' ? 0 : 1;
  }
  if (task === 'up') {
    const problems = addEnvFile(env, root) ?? findInputProblems(env);
    if (problems.length > 0) {
      process.stderr.write(`Nothing was started:\n${problems.map((each) => `  ${each}\n`).join('')}`);
      return 1;
    }
  }
  // To look or to stop takes no secrets, and Compose reads its file only with all of them there.
  const unneeded = ['DB_PASSWORD', 'APP_SECRET_KEY', ...natsPasswordVariables].map((name) => [
    name,
    'unused',
  ]);
  const secrets =
    task === 'up'
      ? await provideNatsPasswords(root, env)
      : (Object.fromEntries(unneeded) as NodeJS.ProcessEnv);
  const stack = new Stack({ root, env: { ...env, ...secrets }, report });
  try {
    await stack.check();
    switch (task) {
      case 'up':
        await stack.up();
        process.stdout.write(whereItIs(env));
        break;
      case 'down':
        await stack.down();
        break;
      case 'logs':
        await stack.logs();
        break;
      case 'status':
        process.stdout.write(await stack.status());
        break;
      default:
        task satisfies never;
    }
    return 0;
  } catch (error) {
    if (!(error instanceof ComposeFailed)) throw error;
    process.stderr.write(`\ndeploy.sh: ${error.message}\n`);
    if (task === 'up') process.stderr.write('./deploy.sh --status shows what runs, --logs what it writes.\n');
    return 1;
  }
}

/**
 * Adds what the file `.env` gives. Compose reads it, asked or not: what is checked here, and told at the end, must be what it
 * starts.
 *
 * @returns why it can't be read; undefined when it could, or is not there.
 */
function addEnvFile(env: NodeJS.ProcessEnv, root: string): readonly string[] | undefined {
  try {
    const names = loadEnvFile(env, root);
    if (names.size > 0) report(`the file .env gives ${[...names].toSorted().join(', ')}`);
    return undefined;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return [error.message];
  }
}

function report(line: string): void {
  process.stderr.write(`${line}\n`);
}

function whereItIs(env: Environment): string {
  const host = env['PUBLISH_HOST'] ?? '';
  const address = ['', '0.0.0.0'].includes(host) ? '127.0.0.1' : host;
  const watch = `http://127.0.0.1:${readPort(env, 'WATCH_PORT', 3000)}`;
  return `
Holdfast is on http://${address}:${readPort(env, 'PORT', 8080)}, and healthy.
  API       http://${address}:${readPort(env, 'PORT', 8080)}/docs
  metrics   ${watch}/dashboards
  traces    ${watch}/jaeger
${accessLine(env)}`;
}

/** What a caller must show, and where it comes from. */
function accessLine(env: Environment): string {
  if (env['AUTH']?.trim().toLowerCase() === 'none')
    return 'EVERYONE who reaches it may use the API: AUTH is none.\n';
  if (isSet(env['AUTH_JWKS_URL'])) return '  token     from the issuer whose keys are at AUTH_JWKS_URL\n';
  return '  token     APP_SECRET_KEY=... npm run -s token -- --scope balance:write --expires 1h\n';
}
