// A certification authority in a folder of its own, openssl as judge, and listeners on free ports: for tests.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MemberId, SecurityServerId } from '@onceway/schemas';
import {
  createCertificationAuthority,
  openCertificationAuthority,
  type CertificationAuthority,
} from '../../src/trust-services/certification-authority.js';
import { pemOf } from '../../src/trust-services/credential.js';

export const MEMBER = 'VN/GOV/MOJ' as MemberId;
export const SERVER = 'VN/GOV/MOJ/SS1' as SecurityServerId;
export const LOCATIONS = { ocsp: 'http://127.0.0.1:8888/', issuer: 'http://127.0.0.1:8889/issuing.cer' };

export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'onceway-trust-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { stdio: 'pipe' }).toString();
}

/** Standard output and error together; for calls to a listener of this very process. */
export async function opensslLater(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('openssl', args);
  return stdout + stderr;
}

export type KeyKind = 'p256' | 'p384' | 'k1' | 'ed25519' | `rsa${number}`;

/** A signing request by openssl, subject and names as an impostor would write them. */
export function signingRequest(folder: string, kind: KeyKind = 'p256', extra: string[] = []): string {
  const keyFile = join(folder, `${kind}-${Math.random().toString(36).slice(2)}.key`);
  const options: Record<string, string[]> = {
    p256: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    p384: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
    k1: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
    ed25519: ['-algorithm', 'ED25519'],
  };
  openssl(
    'genpkey',
    ...(options[kind] ?? ['-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${kind.slice(3)}`]),
    '-out',
    keyFile,
  );
  return requestFor(keyFile, extra);
}

export function requestFor(keyFile: string, extra: string[] = []): string {
  return openssl(
    ...['req', '-new', '-key', keyFile, '-subj', '/CN=VN\\/GOV\\/IMPOSTOR/O=Impostor'],
    ...['-addext', 'subjectAltName=DNS:impostor.example', '-addext', 'basicConstraints=CA:TRUE'],
    ...extra,
  );
}

export interface Pilot {
  readonly folder: string;
  readonly authority: CertificationAuthority;
  /** PEM files for openssl. */
  readonly root: string;
  readonly issuing: string;
  clockMs: number;
  readonly clock: () => number;
  readonly reported: unknown[];
  readonly report: (error: unknown) => void;
  /** Writes a certificate for openssl and returns its file. */
  file(name: string, certificate: Uint8Array): string;
  /** Serves until the end and returns the address. */
  serve(listener: RequestListener): Promise<string>;
  end(): Promise<void>;
}

export async function createPilot(clockMs = Date.now()): Promise<Pilot> {
  const { folder, remove } = temporaryFolder();
  const servers: ReturnType<typeof createServer>[] = [];
  const reported: unknown[] = [];
  const clock = (): number => pilot.clockMs;
  const file = (name: string, certificate: Uint8Array): string => {
    const path = join(folder, `${name}.crt`);
    writeFileSync(path, pemOf(certificate));
    return path;
  };
  await createCertificationAuthority({ folder, clock: () => clockMs, organization: 'Cơ quan đăng ký' });
  const authority = openCertificationAuthority({ folder, clock, locations: LOCATIONS });
  const pilot: Pilot = {
    folder,
    authority,
    root: file('root', authority.root),
    issuing: file('issuing', authority.issuing),
    clockMs,
    clock,
    reported,
    report: (error) => void reported.push(error),
    file,
    async serve(listener) {
      const server = createServer(listener);
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    async end() {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
      authority.close();
      remove();
    },
  };
  return pilot;
}
