// An authority made by openssl, for tests: openssl judges our verifiers, not we ourselves.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Issued {
  readonly name: string;
  readonly der: Buffer;
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly key: string;
  readonly serial: string;
}

export const PROFILE = {
  ca: 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign',
  authentication: 'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth',
  signing: 'keyUsage=critical,nonRepudiation',
  ocsp: 'keyUsage=critical,digitalSignature\nextendedKeyUsage=OCSPSigning',
  timeStamping: 'keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping',
};

const KEYS = {
  'P-256': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  secp256k1: ['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  ed25519: ['ed25519'],
  'RSA-2048': ['rsa:2048'],
  'RSA-1024': ['rsa:1024'],
};

export class OpensslFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'onceway-pki-'));
  #serial = 0x1000;

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  run(...parameters: string[]): string {
    return execFileSync('openssl', parameters, { cwd: this.path, encoding: 'utf8', stdio: 'pipe' });
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(join(this.path, name), content);
    return join(this.path, name);
  }

  read(name: string): Buffer {
    return readFileSync(join(this.path, name));
  }

  /** Without issuer: self-signed. An empty profile makes a certificate of version 1. */
  issue(
    name: string,
    profile: string,
    issuer?: Issued,
    options: {
      key?: keyof typeof KEYS;
      days?: number;
      digest?: string;
      subject?: string;
      serial?: number;
    } = {},
  ): Issued {
    const { key = 'P-256', days = 30, digest = 'sha256', subject = `/CN=${name}` } = options;
    const serial = options.serial ?? (this.#serial += 1);
    const file = (suffix: string): string => join(this.path, `${name}.${suffix}`);
    const request = ['-keyout', file('key'), '-out', file('csr'), '-subj', subject];
    this.run('req', '-new', '-nodes', '-newkey', ...KEYS[key], ...request);
    this.write(`${name}.ext`, profile);
    const signer = issuer ? ['-CA', issuer.certificate, '-CAkey', issuer.key] : ['-signkey', file('key')];
    const extensions = profile === '' ? [] : ['-extfile', file('ext')];
    const more = ['-set_serial', String(serial), '-days', String(days), `-${digest}`, ...extensions];
    this.run('x509', '-req', '-in', file('csr'), '-out', file('pem'), ...signer, ...more);
    const { raw } = new X509Certificate(readFileSync(file('pem')));
    const hex = serial.toString(16).toUpperCase();
    return {
      name,
      der: raw,
      certificate: file('pem'),
      key: file('key'),
      serial: hex.padStart(hex.length + (hex.length % 2), '0'),
    };
  }
}
