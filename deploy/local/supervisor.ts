import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isSet, SettingsError } from '../../shared/config/parse-settings.ts';
import type { NatsUserName } from '../../shared/contracts/nats-users.ts';
import { listenProblem } from '../../shared/lifecycle/listen-problem.ts';
import { hasCode } from '../../shared/telemetry/describe-error.ts';
import { startChild, type ChildHandle } from './child-process.ts';
import type { LocalSettings } from './config.ts';
import { takeDataFolder, type DataFolder } from './data-folder.ts';
import { canTakeFirstSteps, firstSteps, originOf } from './first-steps.ts';
import { freePort } from './free-port.ts';
import { KeptProgram } from './kept-program.ts';
import { wrapLine, wrapNatsLine, wrapPostgresLine } from './log-lines.ts';
import { provideNatsServer } from './nats-binary/find-nats-server.ts';
import { startNatsServer, type NatsServer } from './nats-server.ts';
import { envForNats, natsUsersFolder } from './nats-users.ts';
import type { Output } from './output.ts';
import { waitForDatabase, type DatabaseSettings } from './own-database.ts';
import { startPostgres, type PostgresServer } from './postgres-server.ts';
import { isRunning, sendSignal } from './process-identity.ts';
import { runCommand } from './run-command.ts';
import type { StopRequest } from './stop-request.ts';
import { envForTraces, startTraceReceiver, tracesGoElsewhere } from './traces/trace-receiver.ts';
import { waitUntilReady } from './wait-until-ready.ts';

export interface SupervisorOptions {
  readonly settings: LocalSettings;
  /** What the services inherit. */
  readonly env: NodeJS.ProcessEnv;
  /** The folder of the clone, absolute. */
  readonly root: string;
  readonly output: Output;
  readonly stop: StopRequest;
  /** When the person pressed Enter, in milliseconds since 1970. */
  readonly startedAtMs: number;
}

/** How a program is told where NATS is and who it is there. */
type EnvFor = (user: NatsUserName) => NodeJS.ProcessEnv;

type ServiceName = 'gateway' | 'ledger' | 'settler';

/**
 * In this order, each by so many milliseconds after the stop was asked for: first no new commands, then what settles,
 * then the ledger with what it has, then the servers they all need. Below the 10 s that people wait, but for PostgreSQL: it
 * writes some gigabytes of changed pages first, if it has them, and killed before that it takes longer at the next start.
 */
const stopByMs: readonly (readonly [name: string, byMs: number])[] = [
  ['gateway', 4_000],
  ['settler', 5_500],
  ['ledger', 7_500],
  ['nats-server', 8_500],
  ['postgres', 120_000],
];

/** Also when those before it took all the time: enough to end when there is nothing to finish. */
const leastStopMs = 200;

/** Services get 10 s to finish what they have, as always. */
const endLeftovers: readonly (readonly [NodeJS.Signals | undefined, patienceMs: number])[] = [
  [undefined, 2_000],
  ['SIGTERM', 10_000],
  ['SIGKILL', 2_000],
];
const leftoversPollMs = 50;

const migrateMs = 300_000;
const fixtureMs = 60_000;
const fixture = 'subscribers';

/** Runs the servers and services of one installation, until it is asked to stop or can't go on. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #folder: DataFolder;
  readonly #programs = new Map<string, KeptProgram>();

  /** Throws `AlreadyRunning`, or a `SettingsError` when the data folder can't be used. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#folder = takeDataFolder(options.settings.dataDir);
  }

  /** Resolves when everything serves; rejects with what prevents that, in words for people. */
  async start(): Promise<void> {
    const { settings, output, stop, startedAtMs } = this.#options;
    await this.#endLeftovers();
    const port = await choosePort(settings.host, settings.port);
    const origin = originOf(settings.host, port);
    this.#folder.announce({ httpUrl: origin });

    const [database, nats, tracesEnv] = await Promise.all([
      this.#provideDatabase(),
      this.#provideNats(),
      this.#provideTraces(),
    ]);
    stop.asked.throwIfAborted();
    const { host, port: dbPort, user, password = '', name } = database;
    const env: EnvFor = (natsUser) => ({
      ...this.#options.env,
      ...tracesEnv,
      DB_HOST: host,
      DB_PORT: String(dbPort),
      DB_USER: user,
      DB_PASSWORD: password,
      DB_NAME: name,
      // What is set for another server has no effect on ours.
      ...(settings.database === undefined && { DB_SSL: '', DB_SSL_CA: '' }),
      HOST: settings.host,
      PORT: String(port),
      ...(nats && envForNats(nats, natsUser)),
    });
    const natsUrl = nats?.url ?? settings.nats?.urls.join(',');
    const addresses = { httpUrl: origin, natsUrl, postgres: { host, port: dbPort, user, database: name } };
    this.#folder.announce(addresses);
    await this.#migrate(env('ledger'));

    const ledger = await this.#keepServiceWithOps(
      'ledger',
      'LEDGER_OPS_PORT',
      settings.ledgerOpsPort,
      env('ledger'),
    );
    const settler = await this.#keepServiceWithOps(
      'settler',
      'SETTLER_OPS_PORT',
      settings.settlerOpsPort,
      env('settler'),
    );
    this.#folder.announce({ ...addresses, ledgerOpsUrl: ledger(), settlerOpsUrl: settler() });
    const waiting = { logger: output.logger, stopping: stop.asked };
    const isFresh = !existsSync(this.#fixtureMark()) && !settings.isProduction;
    if (isFresh) {
      // Before the gateway: who finds it ready finds the accounts as well.
      await waitUntilReady('the ledger', ledger, waiting);
      await this.#installFixture(env('tools'));
    }
    await this.#keepService('gateway', () => Promise.resolve(env('gateway')));
    await waitUntilReady('the gateway', () => origin, waiting);
    const canTry = isFresh && (await canTakeFirstSteps(origin, settings.access.tokens));

    const seconds = ((Date.now() - startedAtMs) / 1_000).toFixed(1);
    output.say(`\nHoldfast is ready on ${origin} after ${seconds} s. Its API: ${origin}/docs`);
    output.say(`Access: ${settings.access.summary}.`);
    // One's own is known, and may have a password in it.
    if (nats !== undefined) {
      const users = natsUsersFolder(settings.dataDir);
      output.say(`Services of your own reach it by NATS: ${nats.url}, as one of the users in ${users}`);
    }
    if (canTry) output.say(`Try it:\n\n${firstSteps(origin, settings.access.tokens).join('\n')}\n`);
    if (tracesEnv !== undefined) {
      const folder = this.#options.env['DATA_DIR'];
      const prefix = isSet(folder) ? `DATA_DIR=${quoted(folder)} ` : '';
      output.say(`See what a request led to: ${prefix}npm run trace`);
    }
    output.say('Ctrl-C stops it.\n');
  }

  /** Whether there is anything to stop. */
  hasStarted(): boolean {
    return this.#programs.size > 0;
  }

  /** Stops all in order. */
  async stopAll(): Promise<void> {
    const start = performance.now();
    for (const [name, byMs] of stopByMs) {
      const leftMs = byMs - (performance.now() - start);
      await this.#programs.get(name)?.stop(Math.max(leftMs, leastStopMs));
    }
    this.#folder.release();
  }

  /** Kills all at once; resolves when they are gone. */
  async killAll(): Promise<void> {
    await Promise.all([...this.#programs.values()].map((program) => program.kill()));
    this.#folder.release();
  }

  /** Services of a start that was killed stop by themselves, unless their watchers were killed as well. */
  async #endLeftovers(): Promise<void> {
    const { leftovers } = this.#folder;
    if (leftovers.length === 0) return;
    const names = leftovers.map(({ name, pid }) => `${name} (pid ${pid})`).join(', ');
    this.#options.output.logger.warn(`still running from an earlier start: ${names}; waiting for the end`);
    for (const [signal, patienceMs] of endLeftovers) {
      for (const leftover of leftovers) if (signal !== undefined) sendSignal(leftover, signal);
      const end = performance.now() + patienceMs;
      while (leftovers.some(isRunning) && performance.now() < end) await delay(leftoversPollMs);
    }
  }

  async #provideDatabase(): Promise<DatabaseSettings> {
    const { settings, output, stop } = this.#options;
    if (settings.database !== undefined) {
      output.logger.info('using the PostgreSQL that DB_HOST names');
      await waitForDatabase(settings.database, { logger: output.logger, stopping: stop.asked });
      return settings.database;
    }
    const server = await this.#keepServer('postgres', (before: PostgresServer | undefined) =>
      startPostgres({
        dataDir: settings.dataDir,
        onLine: (line) => output.showLine(wrapPostgresLine(line)),
        report: (line) => output.logger.info(line),
        ...(before && { port: before.port }),
      }),
    );
    await server.createDatabase(settings.databaseName);
    const { host, port, user, password } = server;
    return { host, port, user, password, name: settings.databaseName };
  }

  /** Undefined when it is one's own, which services find in their settings. */
  async #provideNats(): Promise<NatsServer | undefined> {
    const { settings, output, env } = this.#options;
    if (settings.nats !== undefined) {
      output.logger.info('using the NATS that NATS_URL names');
      return undefined;
    }
    const { dataDir } = settings;
    const report = (line: string) => output.logger.info(line);
    const found = await provideNatsServer(dataDir, env, report);
    report(`using nats-server ${found.version} from ${found.path}`);
    return this.#keepServer('nats-server', (before: NatsServer | undefined) =>
      startNatsServer({
        dataDir,
        binary: found.path,
        onLine: (line) => output.showLine(wrapNatsLine(line)),
        report,
        ...(before && { port: before.port }),
      }),
    );
  }

  /** What tells the services to send their spans here; undefined when they go elsewhere. */
  async #provideTraces(): Promise<NodeJS.ProcessEnv | undefined> {
    const { env, settings } = this.#options;
    if (tracesGoElsewhere(env)) return undefined;
    const { url } = await startTraceReceiver();
    this.#folder.announce({ tracesUrl: url });
    return envForTraces(url, env, settings.isProduction);
  }

  /** Keeps a server running; when it is started again, `startServer` gets the one before, to take the same port. */
  async #keepServer<Server extends { process: ChildHandle }>(
    name: string,
    startServer: (before: Server | undefined) => Promise<Server>,
  ): Promise<Server> {
    let server: Server | undefined;
    await this.#keep(name, async () => {
      server = await startServer(server);
      return server.process;
    });
    if (server === undefined) throw new Error(`${name} was not started`);
    return server;
  }

  /** @returns where its `/healthz` and `/readyz` are, which may change when it is started again. */
  async #keepServiceWithOps(
    name: ServiceName,
    setting: string,
    given: number | undefined,
    env: NodeJS.ProcessEnv,
  ): Promise<() => string> {
    const { opsHost } = this.#options.settings;
    let origin = '';
    await this.#keepService(name, async () => {
      const port = given ?? (await freePort(opsHost));
      origin = originOf(opsHost, port);
      return { ...env, [setting]: String(port) };
    });
    return () => origin;
  }

  #keepService(name: ServiceName, makeEnv: () => Promise<NodeJS.ProcessEnv>): Promise<void> {
    const { root, output } = this.#options;
    return this.#keep(name, async () => {
      const child = await startChild({
        name,
        command: process.execPath,
        args: [join(root, 'dist/services', name, 'main.js')],
        cwd: root,
        env: await makeEnv(),
        onLine: (line) => output.showServiceLine(name, line),
      });
      this.#folder.announceService(name, child.pid);
      return child;
    });
  }

  #keep(name: string, start: () => Promise<ChildHandle>): Promise<void> {
    const { output, stop } = this.#options;
    stop.asked.throwIfAborted();
    const program = new KeptProgram({
      name,
      start,
      logger: output.logger,
      onGivenUp: (reason) => stop.ask(new Error(`${reason}. Its lines above say why.`)),
    });
    this.#programs.set(name, program);
    return program.start();
  }

  async #migrate(env: NodeJS.ProcessEnv): Promise<void> {
    const result = await this.#runOnce('migrate', ['dist/services/ledger/migrate.js'], env, migrateMs);
    if (result !== 0) {
      throw new Error('the database could not be brought to the newest schema; the lines above say why.');
    }
  }

  async #installFixture(env: NodeJS.ProcessEnv): Promise<void> {
    const args = ['dist/deploy/fixtures/install.js', fixture];
    // A database of the user's own may be in use for long.
    if (this.#options.settings.database !== undefined) args.push('--only-when-empty');
    const code = await this.#runOnce('install-fixture', args, env, fixtureMs);
    if (code === 0) {
      writeFileSync(this.#fixtureMark(), '');
    } else {
      this.#options.output.logger.error(
        `the accounts to try with are not all there; try again: npm run install-fixture -- ${fixture}`,
      );
    }
  }

  #fixtureMark(): string {
    return join(this.#options.settings.dataDir, 'fixture-installed');
  }

  async #runOnce(
    name: string,
    [script = '', ...args]: readonly string[],
    env: NodeJS.ProcessEnv,
    timeoutMs: number,
  ): Promise<number | undefined> {
    const { root, output, stop } = this.#options;
    const { code } = await runCommand(process.execPath, [join(root, script), ...args], {
      cwd: root,
      env,
      timeoutMs,
      onLine: (line, stream) => {
        if (line.startsWith('{')) output.showServiceLine(name, line);
        else output.showLine(wrapLine(name, stream === 'stderr' ? 'error' : 'info', line));
      },
    });
    stop.asked.throwIfAborted();
    return code;
  }
}

/** The gateway's port, looked at before anything is started. Throws a `SettingsError` when it can't be used. */
async function choosePort(host: string, port: number): Promise<number> {
  if (port === 0) return freePort(host);
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
    });
    return port;
  } catch (error) {
    const problem = listenProblem(error, { host, port, hostSetting: 'HOST', portSetting: 'PORT' });
    const other = anotherPort(error, port);
    if (!(problem instanceof SettingsError) || other === undefined) throw problem;
    throw new SettingsError([`${problem.message}, such as: PORT=${other} npm start`]);
  }
}

/** A port that may do better than this one; undefined when the port is not what is wrong. */
function anotherPort(error: unknown, port: number): number | undefined {
  const isTaken = hasCode(error, 'EADDRINUSE');
  if (isTaken && port >= 1_024 && port < 65_535) return port + 1;
  return isTaken || hasCode(error, 'EACCES') ? 8_080 : undefined;
}

/** As a shell reads it as one word. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
