import { errorCodes } from '../../shared/contracts/error-codes.ts';
import {
  checkNodes,
  isIdentifier,
  isMember,
  isNode,
  literalText,
  type SourceFile,
  type SyntaxNode,
} from './source-file.ts';

const isTestCode = (path: string): boolean => /^test\/|\.test\.ts$/.test(path);

/** Where a process begins; everything else is given its settings. */
const readsEnvironment = /\/(?:config|main|run-service|install|run-tests)\.ts$|\.mjs$/;

const subjectOrStream = /^(?:balance\.|BALANCE_[A-Z]+$)/;

/** Subjects and streams are spelled in the contracts. Tests of the protocol itself spell it out. */
export function checkNames(file: SourceFile): string[] {
  if (file.path.startsWith('shared/contracts/') || isTestCode(file.path)) return [];
  return checkNodes(file, (node) => {
    const text = literalText(node);
    if (text === undefined || !subjectOrStream.test(text)) return undefined;
    return `spells the subject or stream "${text}": take it from shared/contracts/subjects.ts`;
  });
}

const looksLikeErrorCode = /^[a-z]+(?:_[a-z]+)*$/;

const known: ReadonlySet<string> = new Set([
  ...errorCodes,
  // Of zod's issues.
  'custom',
  'unrecognized_keys',
]);

/** A `code` is one of the catalogue, wherever it is written or compared. */
export function checkErrorCodes(file: SourceFile): string[] {
  return checkNodes(file, (node) => {
    const code = codeIn(node);
    if (code === undefined || !looksLikeErrorCode.test(code) || known.has(code)) return undefined;
    return `has the error code "${code}", which shared/contracts/error-codes.ts does not list`;
  });
}

/** The literal of `code: '…'` or `x.code === '…'`. */
function codeIn(node: SyntaxNode): string | undefined {
  if (node.type === 'KeyValueProperty' && isIdentifier(node['key'], 'code')) return literalOf(node['value']);
  if (node.type !== 'BinaryExpression') return undefined;
  const { left, right } = node;
  return isNode(left) && left.type === 'MemberExpression' && isIdentifier(left['property'], 'code')
    ? literalOf(right)
    : undefined;
}

function literalOf(node: unknown): string | undefined {
  return isNode(node) ? literalText(node) : undefined;
}

/** Types that say nothing, and assertions without a reason. */
export function checkTypes(file: SourceFile): string[] {
  return checkNodes(file, (node) => {
    if (node.type === 'TsKeywordType' && node['kind'] === 'any') return 'has the type any';
    if (node.type === 'TsNonNullExpression') return 'asserts non-null by !';
    return undefined;
  });
}

const isInCapitals = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/;

/** Names in capitals are those of settings. */
export function checkConstants(file: SourceFile): string[] {
  return checkNodes(file, (node) => {
    const name = node.type === 'VariableDeclarator' && isNode(node['id']) ? node['id']['value'] : undefined;
    if (typeof name !== 'string' || !isInCapitals.test(name)) return undefined;
    return `names a constant ${name}: constants are in camel case, with their unit at the end`;
  });
}

/** Lines go through the logger, or to standard output on purpose. */
export function checkConsole(file: SourceFile): string[] {
  return checkNodes(file, (node) =>
    isMember(node, 'console') ? 'writes to the console: use the logger, or process.stdout.write' : undefined,
  );
}

/** Settings are read once, where a process begins. Handing the environment on to a child, whole, reads none. */
export function checkEnvironment(file: SourceFile): string[] {
  if (readsEnvironment.test(file.path) || isTestCode(file.path)) return [];
  return checkNodes(file, (node, ancestors) => {
    const isHandedOn = ancestors.at(-1)?.type === 'SpreadElement';
    if (isHandedOn || !isMember(node, 'process', 'env')) return undefined;
    return 'reads process.env: settings come through a config.ts';
  });
}

/** A thing has one name, wherever it is imported. Tools that ask for a default export are asked in their own files. */
export function checkExports(file: SourceFile): string[] {
  if (/\.config\.\w+$/.test(file.path)) return [];
  return checkNodes(file, (node) =>
    node.type === 'ExportDefaultDeclaration' || node.type === 'ExportDefaultExpression'
      ? 'has a default export'
      : undefined,
  );
}

/** Tests say what they need by their names. */
export function checkTestName({ path }: SourceFile): string[] {
  if (!path.endsWith('.test.ts') || /\.(?:unit|int|e2e)\.test\.ts$/.test(path)) return [];
  return [`${path}:1: must end in .unit.test.ts, .int.test.ts or .e2e.test.ts`];
}

const loops = new Set([
  'WhileStatement',
  'DoWhileStatement',
  'ForStatement',
  'ForOfStatement',
  'ForInStatement',
]);

/**
 * Bare waits in tests: `await delay(200)`, `new Promise((done) => setTimeout(done, 200))`. Inside a loop they are the
 * pause between two looks at a condition; beside `Promise.race` they are a limit.
 */
export function checkSleeps(file: SourceFile): string[] {
  if (!isTestCode(file.path)) return [];
  const waits = namesOfWaits(file);
  return checkNodes(file, (node, ancestors) => {
    if (!isSleep(node, waits) || ancestors.some(({ type }) => loops.has(type))) return undefined;
    return 'sleeps: await the condition that the test is about';
  });
}

/** What the file calls `setTimeout` of node:timers/promises. */
function namesOfWaits(file: SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  checkNodes(file, (node) => {
    if (node.type !== 'ImportDeclaration') return undefined;
    if (literalOf(node['source']) !== 'node:timers/promises') return undefined;
    for (const { local, imported } of node['specifiers'] as readonly Record<string, unknown>[]) {
      if (isIdentifier(imported ?? local, 'setTimeout') && isNode(local)) names.add(String(local['value']));
    }
    return undefined;
  });
  return names;
}

function isSleep(node: SyntaxNode, waits: ReadonlySet<string>): boolean {
  if (node.type === 'AwaitExpression') {
    const call = node['argument'];
    if (!isNode(call) || call.type !== 'CallExpression') return false;
    return [...waits].some((name) => isIdentifier(call['callee'], name));
  }
  if (node.type !== 'NewExpression' || !isIdentifier(node['callee'], 'Promise')) return false;
  const [executor] = node['arguments'] as readonly { readonly expression: unknown }[];
  return isBareTimer(executor?.expression);
}

/** A function that does nothing but start a timer. */
function isBareTimer(executor: unknown): boolean {
  if (!isNode(executor) || executor.type !== 'ArrowFunctionExpression' || !isNode(executor['body']))
    return false;
  const statements = executor['body']['stmts'];
  if (!Array.isArray(statements)) return isTimerCall(executor['body']);
  const [only, ...more] = statements as readonly SyntaxNode[];
  return more.length === 0 && isTimerCall(only?.['expression']);
}

function isTimerCall(node: unknown): boolean {
  return isNode(node) && node.type === 'CallExpression' && isIdentifier(node['callee'], 'setTimeout');
}
