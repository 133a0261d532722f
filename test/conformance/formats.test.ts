// The vectors of everything that is no signed message.
import { describe } from '@jest/globals';
import {
  checkCommitment,
  checkTime,
  decodeBase64url,
  encodeAnswerHead,
  encodeEntry,
  encodeRequestHead,
  formatBatchPlace,
  formatSalts,
  parseAnswerHead,
  parseBatchPlace,
  parseClientId,
  parseEntry,
  parseMemberId,
  parseRequestHead,
  parseSalts,
  parseSecurityServerId,
  parseServiceId,
  parseStrictJson,
  parseSubsystemId,
  readClientId,
  readSecurityServerId,
  readServiceId,
  requestHash,
  targetService,
  type Digest,
  type Envelope,
} from '@onceway/sdk/protocol';
import { runVectors } from './vectors.js';

/** What was read and written again must be what was given. */
function same(given: string | Buffer, written: string | Buffer): void {
  if (Buffer.compare(Buffer.from(given), Buffer.from(written)) !== 0)
    throw new TypeError('written differently');
}

describe('identifiers', () => {
  const parsers = {
    member: parseMemberId,
    subsystem: parseSubsystemId,
    client: parseClientId,
    service: parseServiceId,
    'security-server': parseSecurityServerId,
    'read-client': readClientId,
    'read-service': readServiceId,
    'read-security-server': readSecurityServerId,
  };
  runVectors('identifiers', ({ kind, text }: { kind: keyof typeof parsers; text: string }) =>
    parsers[kind](text),
  );
});

describe('base64url', () => {
  runVectors('base64url', (text: string) => decodeBase64url(text).toString('hex'));
});

describe('strict JSON', () => {
  runVectors('strict-json', (text: string) => {
    same(text, JSON.stringify(parseStrictJson(text)));
  });
});

describe('heads', () => {
  runVectors('heads', ({ kind, octets: text }: { kind: 'request' | 'answer' | 'target'; octets: string }) => {
    if (kind === 'target') return targetService(text);
    const octets = Buffer.from(text, 'latin1');
    if (kind === 'request') {
      const head = parseRequestHead(octets);
      same(octets, encodeRequestHead(head));
      return head;
    }
    const head = parseAnswerHead(octets);
    same(octets, encodeAnswerHead(head));
    return head;
  });
});

describe('commitments', () => {
  runVectors('commitments', (input: { salt: string; octets: string; digest: Digest }) => {
    checkCommitment(input.digest, decodeBase64url(input.salt), Buffer.from(input.octets));
  });
});

describe('salts', () => {
  runVectors('salts', (text: string) => {
    const salts = parseSalts(text);
    same(text, formatSalts(salts));
    return { head: salts.head.toString('base64url'), body: salts.body?.toString('base64url') ?? null };
  });
});

describe('request hash', () => {
  runVectors('request-hash', ({ head, body }: { head: string; body: string | null }) =>
    requestHash(Buffer.from(head), body === null ? null : Buffer.from(body)),
  );
});

describe('time', () => {
  interface Times {
    iat: number;
    exp: number;
    nowMs: number;
    skewMs: number;
    fetched?: boolean;
  }
  runVectors('times', ({ iat, exp, nowMs, skewMs, fetched = false }: Times) => {
    checkTime({ iat, claims: { exp } } as Envelope<{ exp: number }>, nowMs, skewMs, { fetched });
  });
});

describe('entries', () => {
  runVectors('entries', (text: string) => {
    same(text, encodeEntry(parseEntry(Buffer.from(text))));
  });
});

describe('places in a batch', () => {
  runVectors('batch-places', (text: string) => {
    const { batch, index, path } = parseBatchPlace(text);
    same(text, formatBatchPlace(batch.jws.compact, index, path));
    return { index, path: path.map((hash) => hash.toString('base64url')) };
  });
});
