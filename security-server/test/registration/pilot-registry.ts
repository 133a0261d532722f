// A registry as this server sees it: certificates by openssl, requests in memory, and faults before or after each call.
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { RegistryCall } from '../../src/registration/registry.js';
import type { Folder } from '../keys/openssl.js';
import { selfSigned } from '../keys/openssl.js';

export interface Submitted {
  readonly request: readonly [string, string];
  readonly certificates: readonly [string, string];
}

export class PilotRegistry {
  readonly submitted: Submitted[] = [];
  readonly catalogue = new Map<string, string>();
  /** Usages of the enrolment token. */
  issued = 0;
  state = 'waiting';
  reason: string | undefined;
  /** Code by which a request that is not known yet is refused. */
  refuse: (body: Submitted) => string | undefined = () => undefined;
  /** Called around each call; throws to cut the line there. */
  fault: (when: 'before' | 'after', what: string) => void = () => undefined;
  readonly #dir: Folder;

  constructor(dir: Folder) {
    this.#dir = dir;
    selfSigned(dir, 'ca', 'ec');
  }

  readonly call: RegistryCall = async (method, path, body) => {
    this.fault('before', `${method} ${path}`);
    const answer = this.#answer(`${method} ${path}`, body as Record<string, string>);
    this.fault('after', `${method} ${path}`);
    return { status: answer.status, text: JSON.stringify(answer.body) };
  };

  #answer(what: string, body: Record<string, string>): { status: number; body: object } {
    if (what === 'POST /certificates') {
      if (body['token'] !== 'token') return problem(403, 'enrolment_token_invalid');
      this.issued++;
      return { status: 201, body: { certificate: this.certify(body['csr'] ?? ''), chain: [] } };
    }
    if (what === 'POST /management-requests') return this.#submit(body as unknown as Submitted);
    if (what.startsWith('GET /management-requests/')) return { status: 200, body: this.#view() };
    if (what.startsWith('PUT /catalogue/')) {
      this.catalogue.set(decodeURIComponent(what.slice('PUT /catalogue/'.length)), body['description'] ?? '');
      return { status: 204, body: {} };
    }
    return problem(404, 'not_found');
  }

  /** The same octets again get the same view. */
  #submit(body: Submitted): { status: number; body: object } {
    if (this.submitted.some((known) => JSON.stringify(known) === JSON.stringify(body)))
      return { status: 202, body: this.#view() };
    const refusal = this.refuse(body);
    if (refusal !== undefined) return problem(409, refusal);
    this.submitted.push(body);
    return { status: 202, body: this.#view() };
  }

  #view(): object {
    return { id: 'handle-1', type: 'register-server', state: this.state, reason: this.reason };
  }

  certify(csr: string): string {
    writeFileSync(this.#dir.file('in.csr'), csr);
    this.#dir.openssl('req', '-in', 'in.csr', '-noout', '-verify');
    this.#dir.openssl(
      ...[
        'x509',
        '-req',
        '-in',
        'in.csr',
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-days',
        '30',
        '-out',
        'out.pem',
      ],
    );
    return new X509Certificate(readFileSync(this.#dir.file('out.pem'))).toString();
  }
}

const problem = (status: number, code: string): { status: number; body: object } => ({
  status,
  body: { type: 'x', title: code, status, code, hop: 'registry' },
});
