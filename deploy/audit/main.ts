import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadEnvFile } from '../../shared/config/load-env-file.ts';
import { isSet, parseSettings } from '../../shared/config/parse-settings.ts';
import { accountIdSchema } from '../../shared/contracts/primitives.ts';
import { auditBooks, type AuditReport } from '../../services/ledger/audit/audit-books.ts';
import { checkSince, DigestWriter, readHeads, verifyDigest } from '../../services/ledger/audit/digest.ts';
import { readLedgerSettings } from '../../services/ledger/config.ts';
import type { DatabaseAddress } from '../../services/ledger/store/session.ts';
import { localSettings } from '../local/config.ts';
import { readRunning } from '../local/data-folder.ts';
import { messageOf } from '../../shared/telemetry/describe-error.ts';
import { progress } from '../local/progress.ts';

const usage = `npm run audit -- [options]
  --account ID         only this account
  --json               the report as JSON
  --digest             print a digest of the books instead: keep it where nobody can change it
  --since DIGEST-FILE  prove that the books have only grown since that digest
Ends with 0 when the books are in order, 1 when they are not, 2 when they could not be audited.`;

const exitCode = { inOrder: 0, findings: 1, notAudited: 2 } as const;
const toldFindings = 100;

/** `npm run audit`: reads the books of a running (or any) Holdfast, and says what is wrong with them. */
async function main(): Promise<number> {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(`${usage}\n`);
    return exitCode.inOrder;
  }
  const { since } = options;
  if (since !== undefined) await verifyDigest(linesOf(since));
  const digest = options.digest ? new DigestWriter((line) => process.stdout.write(`${line}\n`)) : undefined;
  let show: ((done: number) => void) | undefined;
  const report = await auditBooks(findDatabase(), {
    accountId: options.account,
    onProgress: (done, ofAbout) => {
      show ??= progress('auditing', ofAbout);
      show(done);
    },
    ...(digest !== undefined && { onHead: (account, seq, hash) => digest.add(account, seq, hash) }),
    ...(since !== undefined && {
      moreChecks: (client, onFinding) => checkSince(client, readHeads(linesOf(since)), onFinding),
    }),
  });
  if (options.account !== undefined && report.accounts === 0 && report.findings.length === 0)
    throw new Error(`there is no account ${options.account}`);
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else tell(report, digest === undefined ? process.stdout : process.stderr);
  // A digest of wrong books would only vouch for what is wrong: without its end it is none.
  if (report.findings.length === 0) digest?.end();
  return report.findings.length === 0 ? exitCode.inOrder : exitCode.findings;
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const file = await open(path);
  yield* file.readLines();
}

interface Options {
  readonly account: string | undefined;
  readonly since: string | undefined;
  readonly json: boolean;
  readonly digest: boolean;
  readonly help: boolean;
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        account: { type: 'string' },
        since: { type: 'string' },
        json: { type: 'boolean', default: false },
        digest: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const { account, since, json, digest, help } = values;
    if (account !== undefined && !accountIdSchema.safeParse(account).success)
      throw new Error('--account must be an account id, a uuid');
    if (digest && (json || account !== undefined))
      throw new Error('--digest goes with neither --json nor --account');
    return { account, since, json, digest, help };
  } catch (error) {
    throw new Error(`${messageOf(error)}\n\n${usage}`, { cause: error });
  }
}

/** The database that the settings name; without any, the one that `npm start` runs on this folder. */
function findDatabase(): DatabaseAddress {
  loadEnvFile(process.env, process.cwd());
  const { database } = readLedgerSettings(process.env);
  if (isSet(process.env['DB_HOST'])) return database;
  const dataDir = resolve(parseSettings(localSettings, process.env).DATA_DIR);
  const postgres = readRunning(dataDir)?.postgres;
  if (postgres === undefined) {
    throw new Error(
      `nothing runs on the data folder ${dataDir}: npm start, or say with DATA_DIR which folder, or with DB_HOST which database`,
    );
  }
  const password = readFileSync(join(dataDir, 'postgres/password'), 'utf8').trim();
  return { host: postgres.host, port: postgres.port, user: postgres.user, password, name: postgres.database };
}

function tell({ accounts, entries, holds, findings }: AuditReport, output: NodeJS.WritableStream): void {
  output.write(`${accounts} accounts, ${entries} entries, ${holds} holds\n`);
  for (const { accountId, seq, problem } of findings.slice(0, toldFindings)) {
    const where = [accountId === null ? '' : `account ${accountId}`, seq === undefined ? '' : `entry ${seq}`];
    output.write(`  ${[...where.filter((each) => each !== ''), problem].join(' ')}\n`);
  }
  if (findings.length > toldFindings) output.write(`  … and ${findings.length - toldFindings} more\n`);
  output.write(findings.length === 0 ? 'The books are in order.\n' : 'The books are NOT in order.\n');
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`holdfast audit: ${messageOf(error)}\n`);
  process.exitCode = exitCode.notAudited;
}
