import { posix } from 'node:path';
import { checkNodes, isNode, type SourceFile, type SyntaxNode } from './source-file.ts';

/** Who may import what. A file belongs to the first layer that matches its path. */
interface Layer {
  readonly files: RegExp;
  /** Files of the project that it may import, by path. */
  readonly imports: RegExp;
  /** Packages that it may import, where they are few. */
  readonly packages?: RegExp;
  /** Packages that it must not import. */
  readonly withoutPackages?: RegExp;
  /** Words for the failure. */
  readonly rule: string;
}

const database = /^(?:pg|knex)$/;
const databaseOrHttp = /^(?:pg|knex|fastify|@fastify\/.+)$/;

const layers: readonly Layer[] = [
  {
    files: /^test\/|\.test\.ts$/,
    imports: /./,
    rule: 'a test may import anything',
  },
  {
    files: /^(?:deploy|bench)\//,
    imports: /^(?:deploy|bench|services|shared)\//,
    rule: 'what runs it may import services and shared, not tests',
  },
  {
    files: /^shared\/money\//,
    imports: /^shared\/money\//,
    packages: /^$/,
    rule: 'money stands alone',
  },
  {
    files: /^shared\/hashing\//,
    imports: /^shared\/hashing\//,
    packages: /^node:crypto$/,
    rule: 'hashing imports node:crypto only',
  },
  {
    files: /^shared\/contracts\//,
    imports: /^shared\/(?:contracts|money)\//,
    packages: /^zod$/,
    rule: 'contracts import money and zod only',
  },
  {
    files: /^shared\//,
    imports: /^shared\//,
    withoutPackages: databaseOrHttp,
    rule: 'shared imports no service, no database and no HTTP framework',
  },
  {
    files: /^services\/gateway\//,
    imports: /^(?:services\/gateway|shared)\//,
    withoutPackages: database,
    rule: 'the gateway imports itself and shared, and knows no database',
  },
  {
    files: /^services\/settler\//,
    imports: /^(?:services\/settler|shared)\//,
    withoutPackages: databaseOrHttp,
    rule: 'the settler imports itself and shared, and knows no database and no HTTP framework',
  },
  {
    files: /^services\/ledger\/domain\//,
    imports: /^(?:services\/ledger\/domain|shared\/money|shared\/contracts|shared\/hashing)\//,
    packages: /^$/,
    rule: "the ledger's domain imports itself, money, contracts and hashing only",
  },
  {
    files:
      /^services\/ledger\/(?:batching\/|outbox\/|store\/|(?:process-batch|run-batch|settle-due|settle-holds|test-clock)\.ts$)/,
    imports:
      /^(?:shared\/|services\/ledger\/(?:domain\/|batching\/|outbox\/|store\/|(?:process-batch|run-batch|settle-due|settle-holds|test-clock)\.ts$))/,
    withoutPackages: /^(?:fastify|@fastify\/.+|@nats-io\/(?!jetstream$).+)$/,
    rule: "the ledger's batches import each other, the domain and shared; NATS only as the outbox's JetStream",
  },
  {
    files: /^services\/ledger\/(?:messaging\/|telemetry\.ts$)/,
    imports:
      /^(?:shared\/|services\/ledger\/(?:domain|batching|outbox|store|messaging)\/|services\/ledger\/(?:process-batch|run-batch|settle-due|settle-holds|telemetry|test-clock)\.ts$)/,
    withoutPackages: /^(?:knex|fastify|@fastify\/.+)$/,
    rule: "the ledger's messaging imports the batches, the domain, telemetry and shared, not what puts it together",
  },
  {
    files: /^services\/ledger\//,
    imports: /^(?:services\/ledger|shared)\//,
    withoutPackages: /^(?:fastify|@fastify\/.+)$/,
    rule: 'the ledger imports itself and shared, and knows no HTTP framework',
  },
];

/** Imports that go against the direction. */
export function checkImports(file: SourceFile): string[] {
  const layer = layers.find(({ files }) => files.test(file.path));
  if (layer === undefined) return [`${file.path}:1: belongs to no known layer`];
  return checkNodes(file, (node) => {
    const wanted = importedModule(node);
    if (wanted === undefined || isAllowed(layer, file.path, wanted)) return undefined;
    return `must not import ${wanted}: ${layer.rule}`;
  });
}

function isAllowed({ imports, packages, withoutPackages }: Layer, from: string, wanted: string): boolean {
  if (wanted.startsWith('.')) return imports.test(posix.join(posix.dirname(from), wanted));
  if (packages !== undefined) return packages.test(wanted);
  return withoutPackages === undefined || !withoutPackages.test(wanted);
}

/** What a node imports, whatever the form: `import`, `export … from`, `import()`, or a type's `import('…')`. */
function importedModule(node: SyntaxNode): string | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return textOf(node['source']);
    case 'TsImportType':
      return textOf(node['argument']);
    case 'CallExpression': {
      const { callee } = node;
      if (!isNode(callee) || callee.type !== 'Import') return undefined;
      const [first] = node['arguments'] as readonly { readonly expression: unknown }[];
      return textOf(first?.expression);
    }
    default:
      return undefined;
  }
}

function textOf(node: unknown): string | undefined {
  return isNode(node) && node.type === 'StringLiteral' ? String(node['value']) : undefined;
}
