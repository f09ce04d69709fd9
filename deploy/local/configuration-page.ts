import type { z } from 'zod';
import { gatewaySettings } from '../../services/gateway/config.ts';
import { ledgerSettings } from '../../services/ledger/config.ts';
import { settlerSettings } from '../../services/settler/config.ts';
import { natsPasswordVariable } from '../../shared/contracts/nats-users.ts';
import { listSettings, type SettingFacts } from '../../shared/config/parse-settings.ts';
import { localSettings, testSettings } from './config.ts';
import { natsAuthorization } from './nats-authorization.ts';

/*
 * `docs/configuration.md` and `.env.example` as the schemas have it, and `deploy/nats/users.conf` as the table of users
 * has it: `npm run docs:configuration` writes them, and a test says when that was forgotten.
 */

type Setting = SettingFacts & { readonly name: string };

interface Section {
  readonly title: string;
  readonly settings: readonly Setting[];
}

const services: Readonly<Record<string, z.ZodObject>> = {
  gateway: gatewaySettings,
  ledger: ledgerSettings,
  settler: settlerSettings,
};

/** OpenTelemetry reads these itself; the one that switches it on is told as well. */
const telemetry: Section = {
  title: 'OpenTelemetry',
  settings: [
    {
      name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
      description:
        'Where to send traces and metrics (OTLP); the other standard OTEL_* variables work as well.',
      expected: 'a URL such as http://127.0.0.1:4318',
    },
  ],
};

/** Every setting once: those of one service, those of several, and those of the commands. */
function listSections(): Section[] {
  const readers = Object.entries(services).map(([name, schema]) => ({
    name,
    settings: listSettings(schema),
  }));
  const readersOf = ({ name }: Setting) =>
    readers.filter(({ settings }) => settings.some((setting) => setting.name === name));
  const all = new Map(readers.flatMap(({ settings }) => settings.map((setting) => [setting.name, setting])));
  const shared = [...all.values()].filter((setting) => readersOf(setting).length > 1);
  return [
    ...readers.map(({ name, settings }) => ({
      title: `${name[0]?.toUpperCase()}${name.slice(1)}`,
      settings: settings.filter((setting) => readersOf(setting).length === 1),
    })),
    {
      title: 'More than one service',
      settings: shared.map((setting) => {
        const names = readersOf(setting).map((reader) => reader.name);
        return { ...setting, description: `${setting.description} Read by ${inWords(names)}.` };
      }),
    },
    telemetry,
    { title: '`npm start`', settings: listSettings(localSettings) },
    { title: '`npm test`', settings: listSettings(testSettings) },
  ];
}

function inWords(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

const beginMark = '<!-- The tables are made by `npm run docs:configuration`. -->';
const endMark = '<!-- Up to here. -->';

/** The page with its tables as they should be; what stands around them is written by hand. */
export function withTables(page: string): string {
  const begin = page.indexOf(beginMark);
  const end = page.indexOf(endMark);
  if (begin < 0 || end < begin) throw new Error(`the page needs the lines ${beginMark} and ${endMark}`);
  const tables = listSections().map(({ title, settings }) => `## ${title}\n\n${tableOf(settings)}\n`);
  return `${page.slice(0, begin)}${beginMark}\n\n${tables.join('\n')}\n${page.slice(end)}`;
}

function tableOf(settings: readonly Setting[]): string {
  const rows = settings.map((setting) => [
    `\`${setting.name}\``,
    defaultOf(setting),
    capitalized(setting.expected) + (setting.secret === true ? '; secret' : ''),
    setting.description + (setting.formerName === undefined ? '' : ` Was \`${setting.formerName}\`.`),
  ]);
  const cells = [['Setting', 'Default', 'Value', 'What it does'], ...rows].map((row) =>
    row.map((cell) => cell.replaceAll('|', '\\|')),
  );
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const [head = '', ...lines] = cells.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [head, rule, ...lines].join('\n');
}

function defaultOf({ default: text, fallback }: Setting): string {
  if (fallback !== undefined) return `as \`${fallback}\``;
  return text === undefined ? 'not set' : `\`${text}\``;
}

function capitalized(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;
}

/** `.env.example`: everything commented out, so that a copy of it changes nothing. */
export function envExample(): string {
  const sections = listSections().map(({ title, settings }) => {
    const lines = settings.flatMap((setting) => [
      `# ${setting.description}`,
      `# ${setting.name}=${setting.default ?? ''}`,
    ]);
    return `# --- ${title}\n${lines.join('\n')}\n`;
  });
  return `${envHead}\n${sections.join('\n')}`;
}

const envHead = `# Settings of Holdfast with their defaults: docs/configuration.md says more. Copy this file to .env, and take the #
# away from what you change. What the environment says wins over the file; an empty value counts as not set.
# \`npm start\` runs its own PostgreSQL and NATS unless DB_HOST and NATS_URL name yours.
`;

const usersHead = `# Who may do what at the broker of the deployed stack. Made by npm run docs:configuration, from shared/contracts/nats-users.ts.
# Passwords come from the environment, quotation marks included. Services of your own: a user each, like shop-add, each
# with an inbox prefix of its own.

`;

/** `deploy/nats/users.conf`. */
export function natsUsersConf(): string {
  return usersHead + natsAuthorization((user) => `$${natsPasswordVariable(user)}`);
}
