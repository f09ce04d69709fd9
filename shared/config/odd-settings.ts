import type { z } from 'zod';
import { isSet, listSettings, type Environment } from './parse-settings.ts';

/**
 * Set for the services that `npm start` starts, whose settings it has looked at already: five processes need not
 * say the same.
 */
export const settingsChecked = 'HOLDFAST_SETTINGS_CHECKED';

/** First words of our names. One is watched where a schema has such names; all others may be anybody's. */
const prefixes = [
  'GATEWAY_',
  'LEDGER_',
  'SETTLER_',
  'DB_',
  'TEST_DB_',
  'SUBSTRACT_',
  'METRICS_',
  'OPS_',
  'NATS_TLS_',
];

/** Nobody else's, whatever follows. */
const ownPrefix = 'HOLDFAST_';

/**
 * A line for each thing in `env` that most likely does not do what was meant: a name that has been replaced, and a name
 * that is nearly one of `schema`'s or begins like ours. Never with a value.
 */
export function findOddSettings(schema: z.ZodObject, env: Environment): string[] {
  return [...findFormerNames(schema, env), ...findUnknownNames(schema, env)];
}

function findFormerNames(schema: z.ZodObject, env: Environment): string[] {
  return listSettings(schema).flatMap(({ name, formerName }) => {
    if (formerName === undefined || !isSet(env[formerName])) return [];
    return isSet(env[name])
      ? [`${formerName} is the old name of ${name}, which is set as well and wins: remove ${formerName}`]
      : [`${formerName} is now called ${name}; it is still read, but rename it`];
  });
}

function findUnknownNames(schema: z.ZodObject, env: Environment): string[] {
  const settings = listSettings(schema);
  const names = settings.map(({ name }) => name);
  const known = new Set([
    settingsChecked,
    ...names,
    ...settings.flatMap(({ formerName }) => formerName ?? []),
  ]);
  const watched = prefixes.filter((prefix) => names.some((name) => name.startsWith(prefix)));
  return Object.keys(env).flatMap((given) => {
    if (known.has(given) || !isSet(env[given])) return [];
    const upper = given.toUpperCase();
    const nearest = nearestOf(names, upper);
    const isOurs = [ownPrefix, ...watched].some((prefix) => given.startsWith(prefix));
    if (!isOurs && nearest.distance > maxDistance(nearest.name)) return [];
    return [`${given} is no setting and has no effect; did you mean ${nearest.name}?`];
  });
}

/** In short names two slips make another word: HOME is not HOST. */
function maxDistance(name: string): number {
  return name.length < 6 ? 1 : 2;
}

function nearestOf(names: readonly string[], given: string): { name: string; distance: number } {
  return names
    .map((name) => ({ name, distance: editDistance(given, name) }))
    .reduce((best, each) => (each.distance < best.distance ? each : best), { name: '', distance: Infinity });
}

/** The Damerau–Levenshtein distance: how many letters are missing, too many, wrong, or swapped with their neighbour. */
export function editDistance(given: string, meant: string): number {
  // A row for each letter of `given`: the distance from what is given so far to each beginning of `meant`.
  let beforeLast: number[] = [];
  let last = Array.from({ length: meant.length + 1 }, (_, length) => length);
  for (let i = 1; i <= given.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= meant.length; j += 1) {
      const wrong = Number(given[i - 1] !== meant[j - 1]);
      const isSwapped = given[i - 1] === meant[j - 2] && given[i - 2] === meant[j - 1];
      const choices = [at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + wrong];
      if (isSwapped) choices.push(at(beforeLast, j - 2) + 1);
      row.push(Math.min(...choices));
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, meant.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
