import { posix } from 'node:path';
import { checkLines, type SourceFile } from './source-file.ts';

/** The files of the project by path, and what they say. */
export type Project = ReadonlyMap<string, SourceFile>;

/** Links of a page that lead nowhere: to a file or folder that is not there, or to no heading of it. */
export function checkLinks(page: SourceFile, project: Project): string[] {
  return checkLines(page, (line) =>
    [...line.matchAll(/\]\(([^()\s]+)\)/g)].flatMap(([, link = '']) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [target = '', anchor] = link.split('#');
      const path = target === '' ? page.path : posix.join(posix.dirname(page.path), target);
      if (!exists(path, project)) return [`links to ${link}, which is not there`];
      const isKnown = anchor === undefined || anchorsOf(project.get(path)).includes(anchor);
      return isKnown ? [] : [`links to ${link}, where there is no such heading`];
    }),
  );
}

/** Files and folders that a page names in backticks, from the project's folder, and that are not there. */
export function checkNamedFiles(page: SourceFile, project: Project): string[] {
  return checkLines(page, (line) =>
    [...line.matchAll(/`((?:bench|deploy|docs|services|shared|test)\/[\w./-]+)`/g)].flatMap(
      ([, path = '']) => (exists(path, project) ? [] : [`names ${path}, which is not there`]),
    ),
  );
}

/** Folders of which each must say what lives there. */
export function checkReadmes(folders: readonly string[], project: Project): string[] {
  return folders
    .filter((folder) => !project.has(posix.join(folder, 'README.md')))
    .map(
      (folder) => `${folder}/README.md:1: is not there: what lives in ${folder}, and what may import what?`,
    );
}

/** In rot13, so that this list is not itself what it looks for. */
const foreignWords = [
  'pynhqr',
  'naguebcvp',
  'bcranv',
  'pungtcg',
  'tcg',
  'pbcvybg',
  'pbqrk',
  'trzvav',
  'yyz',
  'yyzf',
  'ynathntr zbqry',
  'nv nffvfgnag',
  'nv-trarengrq',
  'guvf frffvba bs jbex',
  'pbqvat frffvba',
  'cerivbhf frffvba',
  'ynfg frffvba',
  'arkg frffvba',
  'pb-nhguberq-ol',
].map(rot13);
const foreign = new RegExp(String.raw`(?<![\w-])(?:${foreignWords.join('|')})(?![\w-])`, 'gi');

/** Folders of some machine. */
const machinePath = /(?<![\w.~-])\/(?:work|tmp|root)\/[\w.-]*/g;

/** The project speaks of itself alone: not of the tools and machines it was made with. */
export function checkWords(file: SourceFile): string[] {
  return checkLines(file, (line) => [
    ...[...line.matchAll(foreign)].map(([word]) => `says "${word}", which is no matter of this project`),
    ...[...line.matchAll(machinePath)].map(([path]) => `names ${path}, a folder of some machine`),
  ]);
}

export function rot13(text: string): string {
  return text.replace(/[a-z]/g, (letter) =>
    String.fromCharCode(((letter.charCodeAt(0) - 97 + 13) % 26) + 97),
  );
}

function exists(path: string, project: Project): boolean {
  const plain = posix.normalize(path).replace(/\/$/, '');
  return project.has(plain) || [...project.keys()].some((each) => each.startsWith(`${plain}/`));
}

/** Its headings, as the links to them are written. */
function anchorsOf(page: SourceFile | undefined): string[] {
  return [...(page?.text ?? '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
