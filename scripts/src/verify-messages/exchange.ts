// A request and its answer or refusal, each found in the logs of both parties: verifies every copy, that copies are the
// same octets, that the answer is the answer to this request, and what both committed to, while it is kept.
import { createHash } from 'node:crypto';
import type { Claims } from './claims.js';
import { parseCopy, verifyCopy, type Copy, type Judges, type Proven } from './copy.js';
import { about, Finding, located, prove } from './finding.js';
import type { ManagementInterface, ShownContent } from './interface.js';
import { decode, digestOf } from './octets.js';

export interface ProvenMessage {
  readonly mid: string;
  readonly kind: Copy['kind'];
  readonly claims: Claims;
  /** Sender's and receiver's. */
  readonly copies: readonly (Proven & { readonly server: string; readonly index: number })[];
  readonly content: 'verified' | 'not kept' | 'not asked for' | 'none';
}

export interface Sources extends Judges {
  readonly servers: readonly ManagementInterface[];
  /** On what ground heads and bodies are taken; undefined: they are not. */
  readonly ground: string | undefined;
}

/** @param mid of the request, the answer or the refusal. @throws {Finding} */
export async function verifyExchange(mid: string, sources: Sources): Promise<ProvenMessage[]> {
  const request = await findRequest(mid, sources);
  const asked = request[0].mid;
  const answers = new Set(request.map(({ shown }) => shown.answer));
  const [answered] = answers;
  if (answers.size !== 1 || answered === undefined)
    throw located(new Finding('copies', 'the parties do not show one answer to it'), undefined, asked);
  const answer = pair(answered, await find(answered, sources));
  const [provenRequest, provenAnswer] = [request, answer].map((copies) => verifyPair(copies, sources));
  const [sentRequest, takenRequest] = request;
  about(answer[0].server, answered, () => {
    bindAnswer(answer[0].claims, sentRequest, takenRequest);
  });
  const contents = await contentsOf([request, answer], sources);
  return [request, answer].map((copies, i) => ({
    mid: copies[0].mid,
    kind: copies[0].kind,
    claims: copies[0].claims,
    copies: (i === 0 ? provenRequest : provenAnswer) ?? [],
    content: copies[0].kind === 'refusal' ? 'none' : contents,
  }));
}

/** @param mid its own, or that of what answered it */
async function findRequest(mid: string, sources: Sources): Promise<readonly [sent: Copy, taken: Copy]> {
  const first = await find(mid, sources);
  const asked = first.some(({ kind }) => kind === 'request') ? mid : String(first[0]?.claims.re);
  const found = asked === mid ? first : await find(asked, sources);
  // Who refused it on its opening holds no closing: the opening's id finds both.
  const opening = found.find(({ closing }) => closing !== undefined)?.jws.mid ?? asked;
  return pair(asked, opening === asked ? found : await find(opening, sources));
}

/** Asks every server. */
async function find(mid: string, { servers }: Sources): Promise<Copy[]> {
  const found = await Promise.all(
    servers.map(async (server) => {
      try {
        const entries = await server.entries(mid);
        return entries.map((shown) => about(server.id, mid, () => parseCopy(server.id, shown, mid)));
      } catch (thrown) {
        throw located(thrown, server.id, mid);
      }
    }),
  );
  const copies = found.flat();
  prove(copies.length > 0, 'copies', `no log holds the message ${mid}`);
  return copies;
}

/** The copies of sender and receiver, which must be all there are. */
function pair(mid: string, copies: readonly Copy[]): readonly [sent: Copy, taken: Copy] {
  return about(undefined, mid, () => {
    const [one] = copies;
    const places = copies.map(({ server, entry }) => `${server} (${entry.dir})`).join(', ');
    prove(copies.length === 2 && one !== undefined, 'copies', `found in ${copies.length} logs: ${places}`);
    const { claims, kind } = one;
    // An entry of a refusal goes by the direction of its request.
    const [sends, takes] = kind === 'refusal' ? (['in', 'out'] as const) : (['out', 'in'] as const);
    const sent = copies.find(({ server, entry }) => server === claims.server && entry.dir === sends);
    const taken = copies.find(({ server, entry }) => server === claims.to && entry.dir === takes);
    prove(sent !== undefined && taken !== undefined, 'copies', `not its sender’s and receiver’s: ${places}`);
    // Who refused a request before its closing was proven does not hold it.
    const isClosed = sent.entry.closing === taken.entry.closing || taken.entry.type === 'refusal';
    const isSame = sent.compact === taken.compact && isClosed;
    prove(isSame, 'copies', 'sender and receiver hold different octets');
    return [sent, taken];
  });
}

function verifyPair(copies: readonly Copy[], sources: Sources): ProvenMessage['copies'] {
  const certificates = new Map<string, Buffer>();
  for (const { shown } of copies)
    for (const { kind, octets } of shown.materials) {
      if (kind !== 'certificate') continue;
      // Under the digest that it has, whatever it is said to be.
      const der = Buffer.from(octets, 'base64');
      certificates.set(digestOf(der), der);
    }
  return copies.map((copy) =>
    about(copy.server, copy.mid, () => {
      const { entry, shown, server, claims } = copy;
      // Whoever sent a message named the log that he kept it in.
      const isOwn = copy.kind === 'refusal' ? entry.dir === 'in' : entry.dir === 'out';
      const isPromise = !isOwn || (claims.log.origin === shown.log && claims.log.size <= shown.index);
      prove(isPromise, 'promise', 'the message names another log than holds it, or a size beyond its place');
      const isUnder = !isOwn || claims.cfg.digest === entry.cfg.digest;
      prove(isUnder, 'configuration', 'the sender recorded it under another configuration than it names');
      sources.promises.known(claims.log.origin, claims.log.size, claims.log.root);
      return { ...verifyCopy(copy, certificates, sources), server, index: shown.index };
    }),
  );
}

function bindAnswer(answer: Claims, sent: Copy, taken: Copy): void {
  const asked = sent.claims;
  const isRefusal = answer.head === undefined;
  const isAnswerable = isRefusal || [sent, taken].every(({ entry }) => entry.type === 'message');
  prove(isAnswerable, 'binding', 'an answer to what was refused');
  const speaker = isRefusal ? asked.to.split('/').slice(0, 3) : asked.aud.split('/').slice(0, 4);
  const expected: [keyof Claims & string, unknown][] = [
    // A refusal that was made before the closing was proven names the opening.
    ['re', taken.mid],
    ['iss', speaker.join('/')],
    ['aud', asked.iss],
    ['server', asked.to],
    ['to', asked.server],
  ];
  for (const [name, value] of expected)
    prove(answer[name] === value, 'binding', `${name} is not that of the request`);
  const { origin, index } = answer.log;
  const isPlace = origin === taken.shown.log && index === taken.shown.index;
  prove(isPlace, 'promise', 'log.index is not where the provider keeps the request');
}

/** Head and body of both messages, from both parties, as far as they are kept. */
async function contentsOf(
  pairs: readonly (readonly [Copy, Copy])[],
  { servers, ground }: Sources,
): Promise<ProvenMessage['content']> {
  if (ground === undefined) return 'not asked for';
  const taken = await Promise.all(
    pairs.map(([sent, received]) =>
      Promise.all(
        [sent, received].map(async (copy) => {
          const { server, mid, kind } = copy;
          const from = servers.find(({ id }) => id === server);
          const shown = kind === 'refusal' ? undefined : await from?.content(mid, ground);
          return shown && about(server, mid, () => openContent(shown, copy));
        }),
      ),
    ),
  );
  const [asked, answered] = taken.map(([one, other]) => one ?? other);
  if (asked === undefined) return 'not kept';
  const [request, answer] = pairs;
  about(request?.[0].server, request?.[0].mid ?? '', () => {
    verifyTarget(asked.head, request?.[0].claims.aud ?? '');
  });
  if (answered !== undefined)
    about(answer?.[0].server, answer?.[0].mid ?? '', () => {
      verifyLines(asked, answered.head, request?.[0].claims as Claims);
    });
  return 'verified';
}

export interface Content {
  readonly head: Buffer;
  readonly body: Buffer | null;
}

/** That head and body are what the envelope commits to; to a body that follows its closing does. */
function openContent({ head, body, salts }: ShownContent, { claims, closing }: Copy): Content {
  const rule = 'commitment';
  const open = (salt: string | null, octets: string): [Buffer, string] => {
    const salted = decode(salt, 'base64', rule);
    prove(salted.length === 32, rule, 'a salt is 32 octets');
    const plain = decode(octets, 'base64', rule);
    return [plain, digestOf(salted, plain)];
  };
  const [headOctets, headDigest] = open(salts.head, head);
  prove(headDigest === claims.head?.digest, rule, 'the head is not the one that was committed to');
  if (body === null) {
    prove(claims.body === null, rule, 'the body that was committed to is missing');
    return { head: headOctets, body: null };
  }
  const [bodyOctets, bodyDigest] = open(salts.body, body);
  const committed = closing === undefined ? claims.body?.digest : closing.payload['digest'];
  prove(bodyDigest === committed, rule, 'the body is not the one that was committed to');
  return { head: headOctets, body: bodyOctets };
}

/** `/r1/` and the five parts of the service, each decoded once. */
export function verifyTarget(head: Buffer, service: string): void {
  const target = head.toString('latin1').split('\r\n')[1] ?? '';
  const segments = (text: string): string[] => text.split('/').slice(0, 5).map(decodeURIComponent);
  const path = target.split('?')[0] ?? '';
  const isAgreed =
    path.startsWith('/r1/') && segments(path.slice(4)).join('\n') === segments(service).join('\n');
  prove(isAgreed, 'binding', 'the target of the head is not the service of the envelope');
}

/** X-Road's own lines in the answer's head. */
export function verifyLines(asked: Content, answered: Buffer, claims: Pick<Claims, 'iss' | 'aud'>): void {
  const valuesOf = (head: Buffer, name: string): string[] =>
    head
      .toString('latin1')
      .split('\r\n')
      .filter((line) => line.toLowerCase().startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1));
  const is = (name: string, value: string | undefined, rule: 'binding' | 'request_hash'): void => {
    const given = valuesOf(answered, name);
    const isSame = given.length === 1 && value !== undefined && given[0] === value;
    prove(isSame, rule, `${name} is not that of the request`);
  };
  is('x-road-id', valuesOf(asked.head, 'x-road-id').at(-1), 'binding');
  is('x-road-request-id', valuesOf(asked.head, 'x-road-request-id').at(-1), 'binding');
  is('x-road-client', claims.iss, 'binding');
  is('x-road-service', claims.aud, 'binding');
  const sha512 = (...parts: readonly Uint8Array[]): Buffer =>
    createHash('sha512').update(Buffer.concat(parts)).digest();
  const head = sha512(asked.head);
  const whole = asked.body === null ? head : sha512(head, sha512(asked.body));
  is('x-road-request-hash', whole.toString('base64'), 'request_hash');
}
