// Keys and certificates made by openssl, the judge of ours.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Folder {
  readonly path: string;
  file(name: string): string;
  /** Runs openssl in the folder and returns what it printed. */
  openssl(...args: readonly string[]): string;
  remove(): void;
}

export function folder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'keys-'));
  return {
    path,
    file: (name) => join(path, name),
    openssl: (...args) => execFileSync('openssl', args, { cwd: path, stdio: 'pipe' }).toString(),
    remove: () => rmSync(path, { recursive: true }),
  };
}

/** `<name>.key` and a self-signed `<name>.pem`. */
export function selfSigned(dir: Folder, name: string, key: 'ec' | 'rsa' | 'p384' | 'rsa1024'): void {
  const parameters = {
    ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    p384: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
    rsa: ['rsa:2048'],
    rsa1024: ['rsa:1024'],
  }[key];
  dir.openssl(
    ...['req', '-x509', '-newkey', ...parameters, '-nodes', '-keyout', `${name}.key`],
    ...['-subj', `/CN=${name}/O=T`, '-days', '30', '-out', `${name}.pem`],
  );
}
