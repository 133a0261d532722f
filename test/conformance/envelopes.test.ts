// The vectors of signed messages: read, verified, and where they are good, written again octet for octet.
import { describe, expect, test } from '@jest/globals';
import {
  completeJws,
  encodeAnswerEnvelope,
  encodeBatchEnvelope,
  encodeBodyClosing,
  encodeRefusalEnvelope,
  encodeRequestEnvelope,
  parseAnswerEnvelope,
  parseBatchEnvelope,
  parseBodyClosing,
  parseRefusalEnvelope,
  parseRequestEnvelope,
  signOctets,
  verifySignature,
  type AnswerClaims,
  type BatchClaims,
  type BodyClaims,
  type Envelope,
  type EnvelopeSigner,
  type RefusalClaims,
  type RequestClaims,
  type SignatureAlgorithm,
  type UnsignedEnvelope,
} from '@onceway/sdk/protocol';
import { privateKey, publicKey, runVectors, vectorsOf, type KeyName } from './vectors.js';

interface Input {
  readonly type: 'request' | 'answer' | 'refusal' | 'body' | 'batch';
  readonly compact: string;
  readonly key: KeyName;
  readonly alg: SignatureAlgorithm;
  readonly opening?: Pick<Envelope<unknown>, 'mid' | 'alg' | 'certificate'>;
}
interface Result {
  readonly mid: string;
  readonly header: object;
  readonly claims: unknown;
}

function parse({ type, compact, opening }: Input): Envelope<unknown> {
  switch (type) {
    case 'request':
      return parseRequestEnvelope(compact);
    case 'answer':
      return parseAnswerEnvelope(compact);
    case 'refusal':
      return parseRefusalEnvelope(compact);
    case 'batch':
      return parseBatchEnvelope(compact);
    case 'body':
      if (opening === undefined) throw new TypeError('a closing without its opening');
      return parseBodyClosing(compact, opening);
  }
}

function write(type: Input['type'], signer: EnvelopeSigner, claims: unknown): UnsignedEnvelope {
  switch (type) {
    case 'request':
      return encodeRequestEnvelope(signer, claims as RequestClaims);
    case 'answer':
      return encodeAnswerEnvelope(signer, claims as AnswerClaims);
    case 'refusal':
      return encodeRefusalEnvelope(signer, claims as RefusalClaims);
    case 'body':
      return encodeBodyClosing(signer, claims as BodyClaims);
    case 'batch':
      return encodeBatchEnvelope(signer, claims as BatchClaims);
  }
}

describe('envelopes are read and verified', () => {
  runVectors<Input, Result>('envelopes', (input) => {
    const envelope = parse(input);
    verifySignature(envelope.jws, publicKey(input.key), input.alg);
    return { mid: envelope.mid, header: envelope.jws.header, claims: envelope.claims };
  });
});

describe('envelopes are written octet for octet, whatever order the claims are given in', () => {
  const written = vectorsOf<Input, Result>('envelopes').filter((vector) => vector.result !== undefined);
  test.each(written.map((vector) => [vector.description, vector] as const))(
    '%s',
    (_description, { input }) => {
      const { alg, certificate, iat, claims, mid, jws } = parse(input);
      const reversed = Object.fromEntries(Object.entries(claims as object).reverse());
      const unsigned = write(input.type, { alg, certificate, iat }, reversed);
      expect(unsigned).toEqual({ signingInput: jws.signingInput, mid });
      if (alg !== 'RS256' && alg !== 'EdDSA') return;
      const signature = signOctets(alg, privateKey(input.key), Buffer.from(unsigned.signingInput));
      expect(completeJws(unsigned.signingInput, signature)).toBe(input.compact);
    },
  );
});
