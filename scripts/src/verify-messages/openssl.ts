// What openssl judges, where it is on the machine: the signatures of OCSP responders and time-stamping authorities.
// Each answer and token once.
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Finding, prove, type Rule } from './finding.js';
import { digestOf } from './octets.js';

/** openssl compares an OCSP answer with today; how old it may be was judged against the entry (certificate.ts). */
const AGE_S = 100 * 365 * 86_400;

export class Openssl {
  readonly version: string | undefined;
  readonly #folder: string | undefined;
  /** By digest of what was judged; a finding is found again. */
  readonly #judged = new Map<string, Finding | undefined>();

  constructor() {
    const { status, stdout } = spawnSync('openssl', ['version'], { encoding: 'utf8' });
    if (status !== 0) return;
    this.version = stdout.trim();
    this.#folder = mkdtempSync(join(tmpdir(), 'onceway-verify-'));
  }

  close(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** How many OCSP answers and tokens were judged. */
  get count(): number {
    return this.#judged.size;
  }

  /** @param hash by which the answer names the certificate
   *  @param chain the certificate and what stands above it, the root last */
  verifyStatus(answer: Buffer, hash: string, chain: readonly X509Certificate[], atMs: number): void {
    const [leaf, issuer] = chain;
    const root = chain.at(-1);
    if (leaf === undefined || issuer === undefined || root === undefined) throw new TypeError('no chain');
    this.#once('certificate_status', [answer, leaf.raw], (put) => [
      ...['ocsp', '-respin', put('answer.der', answer), '-no_nonce', '-validity_period', String(AGE_S)],
      ...[`-${hash}`, '-issuer', put('issuer.pem', issuer), '-cert', put('leaf.pem', leaf)],
      ...[
        '-attime',
        seconds(atMs),
        '-CAfile',
        put('root.pem', root),
        '-verify_other',
        put('issuer.pem', issuer),
      ],
    ]);
  }

  /** @param authority the time-stamping authority's certificate: no other may have signed */
  verifyStamp(token: Buffer, data: Uint8Array, authority: X509Certificate, atMs: number): void {
    this.#once('time_stamp', [token, data, authority.raw], (put) => [
      ...['ts', '-verify', '-token_in', '-in', put('token.der', token), '-data', put('data', data)],
      ...['-partial_chain', '-CAfile', put('authority.pem', authority), '-attime', seconds(atMs)],
    ]);
  }

  #once(
    rule: Rule,
    inputs: readonly Uint8Array[],
    argumentsOf: (put: (name: string, content: Uint8Array | X509Certificate) => string) => readonly string[],
  ): void {
    const folder = this.#folder;
    if (folder === undefined) return;
    const id = digestOf(...inputs);
    if (!this.#judged.has(id)) {
      const put = (name: string, content: Uint8Array | X509Certificate): string => {
        const file = join(folder, name);
        writeFileSync(file, content instanceof X509Certificate ? content.toString() : content);
        return file;
      };
      const { status, stderr, stdout } = spawnSync('openssl', argumentsOf(put), { encoding: 'utf8' });
      const isGood = status === 0 && (rule !== 'certificate_status' || /: good$/m.test(stdout));
      const why = `openssl: ${(stderr + stdout).trim().split('\n').slice(0, 3).join('; ')}`;
      this.#judged.set(id, isGood ? undefined : new Finding(rule, why));
    }
    const finding = this.#judged.get(id);
    prove(finding === undefined, rule, finding?.message ?? '');
  }
}

const seconds = (ms: number): string => String(Math.floor(ms / 1000));
