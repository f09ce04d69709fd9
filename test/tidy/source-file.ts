import { parseSync } from '@swc/core';

/** A file of this project as the rules see it; `path` is relative to the project's folder, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A node of the syntax tree, as swc names it. A few, such as properties, don't say where they are. */
export interface SyntaxNode {
  readonly type: string;
  readonly span?: { readonly start: number };
  readonly [field: string]: unknown;
}

/** Looks at one node and says what is wrong with it; `ancestors` are those around it, the outermost first. */
export type NodeRule = (node: SyntaxNode, ancestors: readonly SyntaxNode[]) => string | undefined;

/** Walks over a file's syntax tree. Answers `path:line: what is wrong`, for each node with which something is. */
export function checkNodes(file: SourceFile, rule: NodeRule): string[] {
  const found: string[] = [];
  const ancestors: SyntaxNode[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const each of value) visit(each);
    } else if (isNode(value)) {
      const problem = rule(value, ancestors);
      if (problem !== undefined)
        found.push(`${file.path}:${lineOf(file, [...ancestors, value])}: ${problem}`);
      ancestors.push(value);
      for (const child of Object.values(value)) visit(child);
      ancestors.pop();
    } else if (typeof value === 'object' && value !== null) {
      // Lists of arguments hold plain objects with a node in them.
      for (const child of Object.values(value)) visit(child);
    }
  };
  visit(syntaxOf(file).body);
  return found;
}

/** Looks at each line of a file. Answers `path:line: what is wrong`. */
export function checkLines(file: SourceFile, rule: (line: string) => readonly string[]): string[] {
  return file.text
    .split('\n')
    .flatMap((line, index) => rule(line).map((problem) => `${file.path}:${index + 1}: ${problem}`));
}

/** The text of a string literal, or the beginning of a template; undefined for any other node. */
export function literalText(node: SyntaxNode): string | undefined {
  if (node.type === 'StringLiteral') return String(node['value']);
  if (node.type === 'TemplateElement') return String(node['cooked']);
  return undefined;
}

/** Whether it is the identifier `name`. */
export function isIdentifier(node: unknown, name: string): boolean {
  return isNode(node) && node.type === 'Identifier' && node['value'] === name;
}

/** Whether it is `object.property`, as an expression. */
export function isMember(node: unknown, object: string, property?: string): boolean {
  if (!isNode(node) || node.type !== 'MemberExpression' || !isIdentifier(node['object'], object))
    return false;
  return property === undefined || isIdentifier(node['property'], property);
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

const trees = new WeakMap<SourceFile, { body: unknown }>();

function syntaxOf(file: SourceFile): { body: unknown } {
  const known = trees.get(file);
  if (known !== undefined) return known;
  const tree = parseSync(file.text, { syntax: 'typescript', target: 'es2022' });
  trees.set(file, tree);
  return tree;
}

/** The line of the last node that says where it is. swc counts bytes of UTF-8, and the first one is 1. */
function lineOf({ text }: SourceFile, nodes: readonly SyntaxNode[]): number {
  const { span } = nodes.findLast((node) => node.span !== undefined) ?? {};
  const before = Buffer.from(text).subarray(0, (span?.start ?? 1) - 1);
  return before.toString().split('\n').length;
}
