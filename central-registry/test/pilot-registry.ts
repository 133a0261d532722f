// A whole registry on free ports with a clock of its own, and security servers that only know how to sign: for tests.
import {
  createHash,
  generateKeyPairSync,
  randomBytes,
  webcrypto,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Anchor, MemberId, SecurityServerId } from '@onceway/schemas';
import { algorithmOf, digestOf, encodeJws, memberOf, signOctets, uuidV7 } from '@onceway/sdk/protocol';
import { vkeyOf } from '@onceway/sdk/verify';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { request } from 'undici';
import 'reflect-metadata'; // must come before @peculiar/x509
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import type { Officers } from '../src/access/approvals.js';
import type { Role } from '../src/audit/audit-trail.js';
import { LISTENERS, type ListenerName, type Listener, type Listeners } from '../src/config.js';
import { runRegistry, type RunningRegistry } from '../src/main.js';
import { initInstance, type InstanceOptions } from '../src/publication/instance.js';
import type { Surroundings } from '../src/registry.js';

export const FREE_PORTS = Object.fromEntries(
  LISTENERS.map((name): [ListenerName, Listener] => [name, { host: '127.0.0.1', port: 0 }]),
) as Listeners;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into answers of every shape
  readonly body: any;
}

/** Where the instance asks for two, there are second ones. */
export type Officer = Role | 'registration-officer-2' | 'security-officer-2';

export interface PilotRegistry {
  readonly folder: string;
  readonly anchor: Anchor;
  running: RunningRegistry;
  /** Moves only by hand. */
  clockMs: number;
  readonly broken: unknown[];
  /** Calls the management interface; without a role, without a key. */
  manage(role: Officer | undefined, method: string, path: string, body?: unknown): Promise<Answer>;
  /** Calls the distribution interface. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  key(role: Officer): string;
  /** Stops and starts it, on other ports. */
  restart(surroundings?: Surroundings): Promise<void>;
  end(): Promise<void>;
}

export async function createPilotRegistry(
  options: Partial<InstanceOptions> & {
    surroundings?: Surroundings;
    lifetimeS?: number;
    officers?: Officers;
  } = {},
): Promise<PilotRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'onceway-registry-'));
  const broken: unknown[] = [];
  const clock = (): number => pilot.clockMs;
  const run = (surroundings?: Surroundings): Promise<RunningRegistry> =>
    runRegistry({
      folder,
      trustServices: true,
      surroundings: { clock, broke: (error) => void broken.push(error), ...surroundings },
    });
  const startMs = Math.floor(Date.now() / 1000) * 1000;
  const anchor = await initInstance({
    folder,
    settings: {
      v: 1,
      instance: 'VN',
      domain: 'onceway.example',
      organization: 'Cơ quan đăng ký',
      officers: options.officers ?? 1,
      lifetimeS: options.lifetimeS ?? 24 * 3600,
      listeners: FREE_PORTS,
    },
    distribution: ['http://127.0.0.1:1'],
    witnesses: [],
    ownWitness: { name: 'onceway.example/witness/registry', url: 'http://127.0.0.1:1' },
    trustServices: true,
    clock: () => startMs,
    ...options,
  });
  const key = (role: Officer): string =>
    readFileSync(join(folder, 'keys', `api-key-${role}.txt`), 'utf8').trim();
  const pilot: PilotRegistry = {
    folder,
    anchor,
    running: undefined as unknown as RunningRegistry,
    clockMs: startMs,
    broken,
    key,
    async manage(role, method, path, body) {
      const headers: Record<string, string> =
        role === undefined ? {} : { authorization: `Bearer ${key(role)}` };
      const answer = await call(pilot.running.addresses.management, method, path, body, headers);
      described.get('registry-management')?.(method, path, answer);
      return answer;
    },
    async ask(method, path, body, headers = {}) {
      const answer = await call(pilot.running.addresses.distribution, method, path, body, headers);
      described.get('registry-distribution')?.(method, path, answer);
      return answer;
    },
    async restart(surroundings) {
      await pilot.running.stop();
      pilot.running = await run(surroundings);
    },
    async end() {
      await pilot.running.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  pilot.running = await run(options.surroundings);
  return pilot;
}

async function call(
  base: string | undefined,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const answer = await request(`${base}${path}`, {
    method: method as 'GET',
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  const json = String(answer.headers['content-type']).includes('json') && text !== '';
  return { status: answer.statusCode, headers: answer.headers, body: json ? JSON.parse(text) : text };
}

/** Answers are held against the description too, so that it is true of what is sent. */
const described = new Map(
  ['registry-management', 'registry-distribution'].map((name) => [name, answersOf(name)] as const),
);

function answersOf(name: string): (method: string, path: string, answer: Answer) => void {
  const folder = join(
    createRequire(import.meta.url).resolve('@onceway/schemas'),
    '..',
    '..',
    '..',
    'openapi',
  );
  const document = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as {
    paths: Record<
      string,
      Record<string, { responses: Record<string, { content?: Record<string, unknown> }> }>
    >;
  };
  const ajv = new Ajv2020({ strict: false, schemas: { api: document as object } });
  const routes = Object.keys(document.paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`),
  }));
  const escape = (part: string): string =>
    encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));
  return (method, target, { status, headers, body }) => {
    const route = routes.find(({ pattern }) => pattern.test(target.split('?', 1)[0] ?? ''));
    const operation = route && document.paths[route.path]?.[method.toLowerCase()];
    if (route === undefined || operation === undefined) return;
    const answer = operation.responses[status] === undefined ? 'default' : String(status);
    const type = String(headers['content-type'] ?? '').split(';', 1)[0] ?? '';
    if (operation.responses[answer]?.content === undefined) {
      if (type !== '') throw new Error(`${method} ${target}: ${status} has a body that is not described`);
      return;
    }
    const pointer = [
      'paths',
      route.path,
      method.toLowerCase(),
      'responses',
      answer,
      'content',
      type,
      'schema',
    ];
    const validate = ajv.compile({ $ref: `api#/${pointer.map(escape).join('/')}` });
    if (!validate(body)) throw new Error(`${method} ${target} ${status}: ${ajv.errorsText(validate.errors)}`);
  };
}

export interface Certified {
  readonly key: KeyObject;
  readonly der: Buffer;
}

/** A key of this kind, certified by the pilot authority for an enrolment token. */
export async function certify(
  pilot: PilotRegistry,
  token: string,
  profile: 'authentication' | 'signing',
  member: MemberId,
  server: SecurityServerId,
): Promise<Certified> {
  const { key, csr } = await signingRequest();
  const answer = await pilot.ask('POST', '/certificates', { token, profile, member, server, csr });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return { key, der: new X509Certificate(answer.body.certificate).raw };
}

export async function signingRequest(): Promise<{ key: KeyObject; csr: string }> {
  const { privateKey: key, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const load = (object: KeyObject, format: 'pkcs8' | 'spki', use: 'sign' | 'verify') =>
    webcrypto.subtle.importKey(
      format,
      object.export({ type: format as 'spki', format: 'der' }),
      algorithm,
      true,
      [use],
    );
  const csr = await Pkcs10CertificateRequestGenerator.create(
    {
      name: 'CN=ignored',
      keys: {
        privateKey: await load(key, 'pkcs8', 'sign'),
        publicKey: await load(publicKey, 'spki', 'verify'),
      },
      signingAlgorithm: algorithm,
    },
    webcrypto,
  );
  return { key, csr: csr.toString('pem') };
}

export function signJws(typ: string, payload: object, { key, der }: Certified, iat: number): string {
  const alg = algorithmOf(key);
  if (alg === undefined) throw new TypeError('no key for a signature');
  return encodeJws({ alg, typ, 'x5t#S256': digestOf(der), iat }, payload, (input) =>
    signOctets(alg, key, input),
  );
}

/** A security server as the registry sees it: an id, two certified keys, a log. */
export class SigningServer {
  readonly id: SecurityServerId;
  readonly owner: MemberId;
  readonly pilot: PilotRegistry;
  authentication: Certified;
  signing: Certified;
  seq = 0;
  /** What `submit` sent last. */
  lastSigned: SignedRequest = { request: [], certificates: [] };

  constructor(pilot: PilotRegistry, id: SecurityServerId, authentication: Certified, signing: Certified) {
    this.pilot = pilot;
    this.id = id;
    this.owner = memberOf(id);
    this.authentication = authentication;
    this.signing = signing;
  }

  /** Admits the member where it is not one, and certifies both keys by a token. */
  static async create(pilot: PilotRegistry, id: string): Promise<SigningServer> {
    const server = id as SecurityServerId;
    const member = memberOf(server);
    const token = await tokenFor(pilot, member, server);
    return new SigningServer(
      pilot,
      server,
      await certify(pilot, token, 'authentication', member, server),
      await certify(pilot, token, 'signing', member, server),
    );
  }

  get log(): { origin: string; key: string } {
    const origin = `onceway.example/log/${this.id}`;
    const { privateKey } = generateKeyPairSync('ed25519');
    return { origin, key: vkeyOf(origin, privateKey) };
  }

  payload(type: string, claims: object = {}): Record<string, unknown> {
    const nowS = Math.floor(this.pilot.clockMs / 1000);
    return {
      v: 1,
      jti: uuidV7(this.pilot.clockMs, randomBytes(10)),
      exp: nowS + 60,
      instance: 'VN',
      seq: ++this.seq,
      type,
      member: this.owner,
      server: this.id,
      ...claims,
    };
  }

  /** Both signatures over a payload, and both certificates. */
  sign(payload: object, signing = this.signing, iat = Math.floor(this.pilot.clockMs / 1000)): SignedRequest {
    return {
      request: [
        signJws('management-request+jws', payload, signing, iat),
        signJws('management-request+jws', payload, this.authentication, iat),
      ],
      certificates: [signing.der.toString('base64'), this.authentication.der.toString('base64')],
    };
  }

  registration(claims: object = {}): Record<string, unknown> {
    return this.payload('register-server', {
      address: 'https://127.0.0.1:5500',
      authentication: this.authentication.der.toString('base64'),
      signing: this.signing.der.toString('base64'),
      logs: [this.log],
      ...claims,
    });
  }

  submit(payload: object, signing?: Certified): Promise<Answer> {
    this.lastSigned = this.sign(payload, signing);
    return this.pilot.ask('POST', '/management-requests', this.lastSigned);
  }

  /** Submits and has it approved. */
  async carry(payload: object, signing?: Certified): Promise<void> {
    const submitted = await this.submit(payload, signing);
    if (submitted.status !== 202) throw new Error(JSON.stringify(submitted.body));
    const path = `${officersPath(this.pilot, submitted)}/approval`;
    const approved = await this.pilot.manage('registration-officer', 'POST', path);
    if (approved.status !== 200) throw new Error(JSON.stringify(approved.body));
  }
}

/** Where officers find what was submitted. */
export function officersPath({ running }: PilotRegistry, { body }: Answer): string {
  return `/management-requests/${running.registry.registration.requested(body.id as string).jti}`;
}

export interface SignedRequest {
  request: string[];
  certificates: string[];
}

export async function admit(pilot: PilotRegistry, member: string): Promise<void> {
  const [, memberClass, code] = member.split('/');
  await pilot.manage('registration-officer', 'POST', '/members', {
    class: memberClass,
    code,
    name: { en: `Ministry ${code}`, vi: `Bộ ${code}` },
  });
}

export async function tokenFor(pilot: PilotRegistry, member: string, server: string): Promise<string> {
  await admit(pilot, member);
  const answer = await pilot.manage('registration-officer', 'POST', '/enrolment-tokens', { member, server });
  return answer.body.token as string;
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');
