import { appendFile, mkdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { runCommand } from '../../deploy/local/run-command.ts';
import { startPostgres, type PostgresServer } from '../../deploy/local/postgres-server.ts';
import { processTree, signalAll } from '../../deploy/local/process-tree.ts';
import { withClient } from '../../deploy/local/with-client.ts';
import type { Database } from '../chaos/stack/chaos-stack.ts';
import { eventually } from '../support/eventually.ts';

const standbyName = 'standby';
const limitMs = 60_000;
const promoteSeconds = 60;

/** A PostgreSQL and its synchronous standby: what the first one answered, the second one has on disk. */
export class PostgresPair {
  readonly #database: string;
  readonly #primary: PostgresServer;
  readonly #standby: PostgresServer;

  private constructor(database: string, primary: PostgresServer, standby: PostgresServer) {
    this.#database = database;
    this.#primary = primary;
    this.#standby = standby;
  }

  /** Starts both in folders below `folder`, with a database of that name. */
  static async start(folder: string, database: string): Promise<PostgresPair> {
    const [first, second] = [join(folder, 'primary'), join(folder, 'standby')];
    const original = await startPostgres({ dataDir: first });
    await original.createDatabase(database);
    await original.process.stop(limitMs);
    // The npm package has no pg_basebackup; the folder of a server that was stopped is as good.
    await mkdir(second);
    await copyFolder(await realpath(join(first, 'postgres')), join(second, 'postgres'));

    const primary = await startPostgres({ dataDir: first, port: original.port });
    try {
      await letReplicate(primary, clusterOf(first));
      await follow(primary, clusterOf(second));
      const standby = await startPostgres({ dataDir: second });
      const pair = new PostgresPair(database, primary, standby);
      await pair.#waitForStandby();
      return pair;
    } catch (error) {
      primary.process.kill();
      throw error;
    }
  }

  get primary(): Database {
    return addressOf(this.#primary, this.#database);
  }

  get standby(): Database {
    return addressOf(this.#standby, this.#database);
  }

  /** From now on every COMMIT waits until the standby has it on disk. */
  async #waitForStandby(): Promise<void> {
    await withClient(this.primary, async (client) => {
      await client.query(`ALTER SYSTEM SET synchronous_standby_names = '${standbyName}'`);
      await client.query('SELECT pg_reload_conf()');
      await eventually(async () => ((await syncState(client)) === 'sync' ? true : undefined), limitMs);
    });
  }

  /** Whether each COMMIT waits for the standby. */
  async isSynchronous(): Promise<boolean> {
    return withClient(this.primary, async (client) => {
      const { rows } = await client.query<{ synchronous_commit: string }>('SHOW synchronous_commit');
      return rows[0]?.synchronous_commit === 'on' && (await syncState(client)) === 'sync';
    });
  }

  /** kill -9 of the primary and all its processes, for good: nobody may start it again beside the other one. */
  async killPrimary(): Promise<void> {
    const { process: child } = this.#primary;
    // Frozen first, so that it makes no process while we look.
    signalAll([child.pid], 'SIGSTOP');
    signalAll(processTree(child.pid), 'SIGKILL');
    child.kill();
    await child.exited;
  }

  /** The standby becomes the primary. Resolves when it takes writes. */
  async promoteStandby(): Promise<void> {
    await withClient(this.standby, async (client) => {
      const { rows } = await client.query<{ done: boolean }>('SELECT pg_promote(true, $1) AS done', [
        promoteSeconds,
      ]);
      if (rows[0]?.done !== true) throw new Error('the standby did not become the primary');
    });
  }

  async stop(): Promise<void> {
    // The standby first: a primary that stops waits for it.
    await this.#standby.process.stop(limitMs);
    await this.#primary.process.stop(limitMs);
  }
}

function clusterOf(dataDir: string): string {
  return join(dataDir, 'postgres', 'cluster');
}

function addressOf({ host, port, user, password }: PostgresServer, database: string): Database {
  return { host, port, user, password, database };
}

async function copyFolder(from: string, to: string): Promise<void> {
  const { code, lines } = await runCommand('cp', ['-a', from, to], { timeoutMs: limitMs });
  if (code !== 0) throw new Error(`${from} could not be copied: ${lines.join('\n')}`);
}

/** Its rules are written anew at every start, and this one is started once. */
async function letReplicate(primary: PostgresServer, cluster: string): Promise<void> {
  await appendFile(
    join(cluster, 'pg_hba.conf'),
    `host    replication  all  ${primary.host}/32  scram-sha-256\n`,
  );
  await withClient(addressOf(primary, 'postgres'), (client) => client.query('SELECT pg_reload_conf()'));
}

async function follow({ host, port, user, password }: PostgresServer, cluster: string): Promise<void> {
  const where = `host=${host} port=${port} user=${user} password=${password} application_name=${standbyName}`;
  await appendFile(join(cluster, 'postgresql.auto.conf'), `primary_conninfo = '${where}'\n`);
  await writeFile(join(cluster, 'standby.signal'), '');
}

async function syncState(client: Client): Promise<string | undefined> {
  const { rows } = await client.query<{ sync_state: string }>(
    'SELECT sync_state FROM pg_stat_replication WHERE application_name = $1',
    [standbyName],
  );
  return rows[0]?.sync_state;
}
