/** What a reader of a page would type, and what the page shows as the answer. */
export interface ShellStep {
  readonly command: string;
  readonly answer: string | undefined;
}

/** A shell example of a page. */
export interface ShellBlock {
  /** `path:line` of its fence. */
  readonly place: string;
  readonly steps: readonly ShellStep[];
  /** Why it can't be run by a test, when the page says so in a comment before it. */
  readonly notRun: string | undefined;
}

interface Fence {
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** The last line before it that is not empty. */
  readonly before: string;
  /** Whether nothing stands between the fence before and this one. */
  readonly isNext: boolean;
}

const shell = new Set(['sh', 'bash', 'console']);
/** What a block of its own after a shell block shows the answer as. */
const answerLanguages = new Set(['json', 'text']);
const notRunMark = /^<!-- not run: (.+) -->$/;

/**
 * The shell examples of a page: blocks of `sh` and `bash` (a script as a whole) and of `console` (what follows `$ `, and
 * below it the answer). A block of JSON or text right after one is its answer too.
 */
export function readShellBlocks(page: string, text: string): ShellBlock[] {
  const fences = readFences(text);
  return fences.flatMap((fence, index) => {
    if (!shell.has(fence.language)) return [];
    const next = fences[index + 1];
    const answer = next?.isNext === true && answerLanguages.has(next.language) ? next.text : undefined;
    const notRun = notRunMark.exec(fence.before)?.[1];
    return [{ place: `${page}:${fence.line}`, steps: readSteps(fence, answer), notRun }];
  });
}

/** Shell examples that would not be found, and marks that belong to none: each as `path:line: what is wrong`. */
export function findHiddenExamples(page: string, text: string): string[] {
  const fences = readFences(text);
  const hidden = fences
    .filter((fence) => !shell.has(fence.language) && /^\$ /m.test(fence.text))
    .map(({ line }) => `${page}:${line}: has commands, and is not marked as console`);
  const silent = fences
    .filter((fence) => fence.language === 'console' && !/^\$ /m.test(fence.text))
    .map(({ line }) => `${page}:${line}: is marked as console, and has no command after "$ "`);
  const marks = text.split('\n').filter((line) => notRunMark.test(line)).length;
  const marked = readShellBlocks(page, text).filter(({ notRun }) => notRun !== undefined).length;
  const lost =
    marks === marked ? [] : [`${page}:1: has ${marks} marks "not run", for ${marked} shell examples`];
  return [...hidden, ...silent, ...lost];
}

function readFences(text: string): Fence[] {
  const fences: Fence[] = [];
  let before = '';
  let isNext = false;
  let open: { line: number; indent: number; language: string; lines: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (open === undefined) {
      const [, indent = '', language] = /^( *)```(\w*)/.exec(line) ?? [];
      if (language !== undefined) {
        open = { line: index + 1, indent: indent.length, language, lines: [] };
      } else if (line.trim() !== '') {
        before = line.trim();
        isNext = false;
      }
    } else if (line.trim() === '```') {
      fences.push({ line: open.line, language: open.language, text: open.lines.join('\n'), before, isNext });
      open = undefined;
      before = '';
      isNext = true;
    } else {
      open.lines.push(line.slice(open.indent));
    }
  }
  return fences;
}

function readSteps({ language, text }: Fence, answer: string | undefined): ShellStep[] {
  if (language !== 'console') return [{ command: text, answer }];
  const steps = text
    .split(/^\$ /m)
    .slice(1)
    .map((step): ShellStep => {
      const lines = step.split('\n');
      const last = lines.findIndex((_, index) => isWhole(lines.slice(0, index + 1).join('\n')));
      const said = lines
        .slice(last + 1)
        .join('\n')
        .trim();
      return { command: lines.slice(0, last + 1).join('\n'), answer: said === '' ? undefined : said };
    });
  return steps.map((step, index) =>
    index === steps.length - 1 ? { ...step, answer: step.answer ?? answer } : step,
  );
}

/** Whether a shell would take it as it is: no line to come, no quotation mark open. */
function isWhole(command: string): boolean {
  return !command.endsWith('\\') && (command.split("'").length - 1) % 2 === 0;
}
