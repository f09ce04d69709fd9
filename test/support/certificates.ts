import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../deploy/local/run-command.ts';
import { findProgram } from './debian-program.ts';

const opensslPackage = { name: 'openssl', packageName: 'openssl', suite: 'bookworm' } as const;
const limitMs = 60_000;

/** Paths of PEM files. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Someone who issues certificates, with its own in `caFile`. */
export interface Authority {
  readonly caFile: string;
  /** `name` is a host name, or `IP:` and an address. */
  issue(name: string): Promise<Certificate>;
}

const newKey = ['-newkey', 'rsa:2048', '-nodes'];

/** Makes one, with its files in `folder` named after it. */
export async function makeAuthority(folder: string, authority: string): Promise<Authority> {
  const openssl = await findProgram(opensslPackage);
  const run = async (...args: readonly string[]): Promise<void> => {
    const { code, lines } = await runCommand(openssl, args, { timeoutMs: limitMs });
    if (code !== 0) throw new Error(`openssl ${args.join(' ')}\n${lines.join('\n')}`);
  };
  const file = (name: string) => join(folder, `${authority}-${name}`);
  const [caFile, caKey] = [file('ca.pem'), file('ca.key')];
  await run(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    caKey,
    '-out',
    caFile,
    '-days',
    '2',
    '-subj',
    `/CN=${authority}`,
  );
  let issued = 0;
  return {
    caFile,
    issue: async (name) => {
      issued += 1;
      const [certFile, keyFile] = [file(`${issued}.pem`), file(`${issued}.key`)];
      const [request, extensions] = [file(`${issued}.csr`), file(`${issued}.ext`)];
      const alternative = name.startsWith('IP:') ? name : `DNS:${name}`;
      await writeFile(extensions, `subjectAltName=${alternative}\nbasicConstraints=CA:FALSE\n`);
      await run('req', '-new', ...newKey, '-keyout', keyFile, '-out', request, '-subj', '/CN=issued');
      const by = ['-CA', caFile, '-CAkey', caKey, '-CAcreateserial'];
      await run(
        'x509',
        '-req',
        '-in',
        request,
        ...by,
        '-out',
        certFile,
        '-days',
        '2',
        '-extfile',
        extensions,
      );
      return { certFile, keyFile };
    },
  };
}
