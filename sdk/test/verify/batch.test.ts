// One signature over several messages.
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  completeJws,
  encodeBatchEnvelope,
  encodeRequestEnvelope,
  formatBatchPlace,
  parseBatchPlace,
  parseRequestEnvelope,
  signOctets,
  uuidV7,
  type Digest,
  type RequestClaims,
} from '../../src/protocol/index.js';
import { leafHash, MerkleTree, verifyBatched } from '../../src/verify/index.js';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const digest = 'A'.repeat(43) as Digest;
const other = 'E'.repeat(43) as Digest;
const signer = { alg: 'ES256', certificate: digest, iat: 1764000000 } as const;

const claims = (n: number): RequestClaims =>
  ({
    v: 1,
    jti: uuidV7(1764000000000 + n, Buffer.alloc(10)),
    exp: 1764000060,
    iss: 'VN/GOV/G05/portal',
    aud: 'VN/GOV/G12/civil-status/births',
    server: 'VN/GOV/G05/ss1',
    to: 'VN/GOV/G12/ss1',
    cfg: { seq: 7, digest },
    log: { origin: 'onceway.example/log/x', size: 1, root: digest },
    head: { digest },
    body: null,
  }) as RequestClaims;

function batchOf(count: number, certificate: Digest = digest): { messages: string[]; places: string[] } {
  const tree = new MerkleTree();
  const inputs = Array.from(
    { length: count },
    (_, n) => encodeRequestEnvelope(signer, claims(n)).signingInput,
  );
  for (const input of inputs) tree.append(leafHash(Buffer.from(input)));
  const root = tree.root().toString('base64url') as Digest;
  const { signingInput } = encodeBatchEnvelope({ ...signer, certificate }, { v: 1, n: count, root });
  const batch = completeJws(signingInput, signOctets('ES256', privateKey, Buffer.from(signingInput)));
  return {
    messages: inputs.map((input) => `${input}.`),
    places: inputs.map((_, index) => formatBatchPlace(batch, index, tree.inclusionProof(index, count))),
  };
}

const verify = (message = '', place = '', key = publicKey): void => {
  verifyBatched(parseRequestEnvelope(message), parseBatchPlace(place), key, 'ES256');
};
const refused = (code: string) => expect.objectContaining({ code });

describe('a batch', () => {
  test.each([1, 2, 3, 7, 64])('of %i: each message is proven at its own place only', (count) => {
    const { messages, places } = batchOf(count);
    for (const [index, message] of messages.entries()) {
      verify(message, places[index]);
      if (count > 1)
        expect(() => verify(message, places[(index + 1) % count])).toThrow(refused('proof_invalid'));
    }
  });

  test('a message that is not in it is refused', () => {
    const { messages } = batchOf(3);
    expect(() => verify(messages[2], batchOf(2).places[1])).toThrow(refused('proof_invalid'));
  });

  test('a batch by another key is refused', () => {
    const { messages, places } = batchOf(2);
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    expect(() => verify(messages[0], places[0], stranger)).toThrow(refused('signature_invalid'));
  });

  test('a message with a signature of its own, or of another certificate, is refused', () => {
    const { messages, places } = batchOf(2);
    expect(() => verify(`${messages[0] ?? ''}AAAA`, places[0])).toThrow(refused('envelope_invalid'));
    expect(() => verify(messages[0], batchOf(2, other).places[0])).toThrow(refused('envelope_invalid'));
  });
});
