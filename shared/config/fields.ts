import { accessSync, constants, statSync } from 'node:fs';
import { z } from 'zod';
import { settingFacts, type SettingFacts } from './parse-settings.ts';

/** What a kind of setting leaves to the one who uses it. */
interface FieldOptions {
  description: string;
  default: string;
  /** What it was called before; still read when the new name is not set. */
  formerName?: string;
}

/** A setting made from its text; `read` returns undefined for a text that it can't accept. */
export function field<Value>(
  facts: SettingFacts & { default: string },
  read: (text: string) => Value | undefined,
) {
  // prefault, not default: the default is read like any other text, so that it can't be one that we would refuse.
  return reading(facts.expected, read).prefault(facts.default).register(settingFacts, facts);
}

/** The same, of a setting that may be left out. */
export function optionalField<Value>(facts: SettingFacts, read: (text: string) => Value | undefined) {
  return reading(facts.expected, read).optional().register(settingFacts, facts);
}

function reading<Value>(expected: string, read: (text: string) => Value | undefined) {
  return z.string().transform((text, context): Value => {
    const value = read(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

/** A whole number from `min` to `max`. */
export function integer(options: FieldOptions & { min: number; max: number; expected?: string }) {
  const { min, max, expected = `a whole number from ${min} to ${max}` } = options;
  return field({ ...options, expected }, (text) => readInteger(text, min, max));
}

/** A port to listen on; 0 lets the operating system choose a free one. */
export function listenPort(options: FieldOptions) {
  return integer({
    ...options,
    min: 0,
    max: 65_535,
    expected: 'a port from 1 to 65535, or 0 for any free one',
  });
}

/** A port to connect to. */
export function remotePort(options: FieldOptions) {
  return integer({ ...options, min: 1, max: 65_535, expected: 'a port from 1 to 65535' });
}

/** A port to listen on, or 0 for "do not listen", which reads as undefined. */
export function optionalPort(options: FieldOptions) {
  const expected = 'a port from 1 to 65535, or 0 for off';
  return field({ ...options, expected }, (text): { port: number | undefined } | undefined => {
    const port = readInteger(text, 0, 65_535);
    return port === undefined ? undefined : { port: port === 0 ? undefined : port };
  });
}

/** An address or host name to listen on or to connect to. */
export function host(options: FieldOptions) {
  const expected = 'a host name or an IP address, without a port';
  return field({ ...options, expected }, (text) =>
    // Colons only as in IPv6, where there are at least two: "localhost:8080" is a mistake worth naming.
    /^[\w.-]+$/.test(text) || /^[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(%\w+)?$/i.test(text) ? text : undefined,
  );
}

/** A period in minutes, fractions allowed, more than zero; read as whole milliseconds. */
export function minutes(options: FieldOptions & { maxMinutes: number; maxInWords: string }) {
  const { maxMinutes, maxInWords } = options;
  const expected = `a number of minutes above 0 and at most ${maxMinutes} (${maxInWords}), such as 10 or 0.5`;
  return field({ ...options, expected }, (text) => {
    if (!/^\d{1,12}(\.\d{1,12})?$/.test(text)) return undefined;
    const periodMs = Math.round(Number(text) * 60_000);
    return periodMs >= 1 && periodMs <= maxMinutes * 60_000 ? periodMs : undefined;
  });
}

/** Server URLs with one of `schemes`, separated by commas. */
export function urlList(options: FieldOptions & { schemes: readonly string[] }) {
  const { schemes } = options;
  const forms = schemes.map((scheme) => `${scheme}://host:port`).join(' or ');
  const expected = `a URL such as ${forms}, or several separated by commas`;
  return field({ ...options, expected }, (text) => {
    const urls = text.split(',').map((url) => url.trim());
    return urls.every((url) => isServerUrl(url, schemes)) ? urls : undefined;
  });
}

/** The beginning of web addresses, which something is appended to; it may be left out. */
export function webPrefix({ description }: { description: string }) {
  const expected = 'the beginning of a URL, such as https://traces.example/trace/';
  return optionalField({ description, expected }, (text) =>
    isServerUrl(text, ['http', 'https']) ? text : undefined,
  );
}

/** A switch: on or off. */
export function onOff(options: FieldOptions) {
  return field({ ...options, expected: 'on or off' }, (text) => switchWords.get(text.toLowerCase()));
}

/** One of a few words. */
export function oneOf<Word extends string>(options: FieldOptions & { words: readonly Word[] }) {
  return field({ ...options, expected: expectedOf(options.words) }, (text) => findWord(options.words, text));
}

/** One of a few words; while it is not set, what the setting `fallback` says counts. */
export function oneOfWithFallback<Word extends string>(options: {
  description: string;
  words: readonly Word[];
  fallback: string;
}) {
  const { description, words, fallback } = options;
  const expected = expectedOf(words);
  return optionalField({ description, expected, fallback }, (text) => findWord(words, text));
}

function expectedOf(words: readonly string[]): string {
  return `one of ${words.join(', ')}`;
}

function findWord<Word extends string>(words: readonly Word[], text: string): Word | undefined {
  return words.find((word) => word === text.toLowerCase());
}

/** A text that may be left out. */
export function optionalText(facts: SettingFacts) {
  return optionalField(facts, (text) => text);
}

/** The path of a file that is there and can be read; it may be left out. */
export function readableFile({ description }: { description: string }) {
  const expected = 'the path of a file that can be read';
  return optionalField({ description, expected }, (path) => (isReadableFile(path) ? path : undefined));
}

/** Any text. */
export function anyText(options: FieldOptions & { expected: string }) {
  return field(options, (given) => given);
}

/** A text that is never shown; it may be left out. */
export function secret(options: { description: string }) {
  return z
    .string()
    .optional()
    .register(settingFacts, { description: options.description, expected: 'a text', secret: true });
}

const switchWords = new Map([
  ['on', true],
  ['true', true],
  ['yes', true],
  ['1', true],
  ['off', false],
  ['false', false],
  ['no', false],
  ['0', false],
]);

function readInteger(given: string, min: number, max: number): number | undefined {
  if (!/^\d{1,15}$/.test(given)) return undefined;
  const value = Number(given);
  return value >= min && value <= max ? value : undefined;
}

function isReadableFile(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isServerUrl(given: string, schemes: readonly string[]): boolean {
  if (!URL.canParse(given)) return false;
  const url = new URL(given);
  return schemes.includes(url.protocol.slice(0, -1)) && url.hostname !== '';
}
