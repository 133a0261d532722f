// A registry in memory for tests of who reads it: makes genuine configurations, and lets a test spoil each part.
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Digest, KeyId, LogOrigin } from '@onceway/schemas';
import type { ConfigurationSource } from '../../src/configuration/index.js';
import {
  digestOf,
  encodeJws,
  OncewayError,
  parseAnchor,
  signOctets,
  type Anchor,
  type ConfigurationBundle,
  type PolicyRecord,
} from '../../src/protocol/index.js';
import {
  cosign,
  formatTlogProof,
  leafHash,
  MerkleTree,
  recordsRoot,
  signCheckpoint,
  vkeyOf,
} from '../../src/verify/index.js';

export const NOW_MS = 1_800_000_000_000;
const ORIGIN = 'test.example/log/registry' as LogOrigin;
const WITNESS = 'test.example/witness';

const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

function rawKeyOf(key: KeyObject) {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { kid: digestOf(spki) as string as KeyId, publicKey: spki.toString('base64') };
}

function signRaw(typ: string, payload: object, key: KeyObject): string {
  return encodeJws({ alg: 'EdDSA', typ, kid: rawKeyOf(key).kid }, payload, (input) =>
    signOctets('EdDSA', key, input),
  );
}

export interface Publish {
  /** What the policy says, so that records differ. */
  readonly refreshMs?: number;
  readonly seq?: number;
  readonly lifetimeS?: number;
  readonly issuedS?: number;
  readonly instance?: string;
  readonly signedBy?: KeyObject;
  readonly witnessed?: boolean;
  /** Records beside the policy. */
  readonly more?: readonly Buffer[];
}

export class Publisher implements ConfigurationSource {
  readonly root = newKey();
  readonly configuration = newKey();
  readonly #log = newKey();
  readonly #witness = newKey();
  tree = new MerkleTree();
  delegations: string[][];
  readonly records = new Map<Digest, Buffer>();
  current: ConfigurationBundle | undefined;
  isAway = false;
  #seq = 0;

  constructor() {
    const configuration = { keys: [rawKeyOf(this.configuration)], threshold: 1 };
    this.delegations = [
      [
        signRaw(
          'delegation+jws',
          { v: 1, instance: 'TEST', seq: 1, issued: NOW_MS / 1000, configuration },
          this.root,
        ),
      ],
    ];
  }

  /** The root names other keys for configurations, in place of those before. */
  delegate(seq: number, key: KeyObject): void {
    const configuration = { keys: [rawKeyOf(key)], threshold: 1 };
    const delegation = { v: 1, instance: 'TEST', seq, issued: NOW_MS / 1000, configuration };
    this.delegations = [...this.delegations, [signRaw('delegation+jws', delegation, this.root)]];
  }

  get anchor(): Anchor {
    return parseAnchor({
      v: 1,
      instance: 'TEST',
      roots: { keys: [rawKeyOf(this.root)], threshold: 1 },
      witnesses: {
        witnesses: [{ key: vkeyOf(WITNESS, this.#witness, 4), url: 'http://127.0.0.1:1' }],
        threshold: 1,
      },
      log: { origin: ORIGIN, key: vkeyOf(ORIGIN, this.#log) },
      distribution: ['http://127.0.0.1:1'],
    });
  }

  publish(order: Publish = {}): ConfigurationBundle {
    const seq = (this.#seq = order.seq ?? this.#seq + 1);
    const policy: PolicyRecord = {
      v: 1,
      type: 'policy',
      clockSkewMs: 30_000,
      ocspFreshnessMs: 3_600_000,
      ocspGraceMs: 3_600_000,
      stampingBacklogMs: 3_600_000,
      witnessBacklogMs: 3_600_000,
      refreshMs: order.refreshMs ?? seq * 1000,
      algorithms: [{ alg: 'ES256', from: 0 }],
    };
    const records = [Buffer.from(JSON.stringify(policy)), ...(order.more ?? [])].map((octets) => {
      const digest = digestOf(octets);
      this.records.set(digest, octets);
      return digest;
    });
    const issued = order.issuedS ?? NOW_MS / 1000;
    const head = {
      v: 1,
      instance: order.instance ?? 'TEST',
      seq,
      issued,
      expires: issued + (order.lifetimeS ?? 86_400),
      root: recordsRoot(records),
    };
    const entry = JSON.stringify({
      v: 1,
      type: 'configuration',
      at: NOW_MS,
      seq,
      digest: digestOf(Buffer.from(JSON.stringify(head))),
    });
    const index = this.tree.append(leafHash(Buffer.from(entry)));
    return (this.current = {
      head: [signRaw('configuration+jws', head, order.signedBy ?? this.configuration)],
      delegations: this.delegations,
      records,
      entry,
      proof: formatTlogProof({
        index,
        proof: this.tree.inclusionProof(index, this.tree.size),
        checkpoint: this.checkpoint(order.witnessed ?? true),
      }),
    });
  }

  /** The same head, proven under a newer checkpoint. */
  prove(bundle: ConfigurationBundle, index: number): ConfigurationBundle {
    const checkpoint = this.checkpoint(true);
    const proof = this.tree.inclusionProof(index, this.tree.size);
    return (this.current = { ...bundle, proof: formatTlogProof({ index, proof, checkpoint }) });
  }

  checkpoint(witnessed: boolean): string {
    const { size } = this.tree;
    const signed = signCheckpoint({ origin: ORIGIN, size, root: this.tree.root() }, this.#log);
    const text = signed.slice(0, signed.indexOf('\n\n') + 1);
    return witnessed ? signed + cosign(text, WITNESS, this.#witness, NOW_MS / 1000) : signed;
  }

  bundle(known: Digest | undefined): Promise<ConfigurationBundle | undefined> {
    const { current } = this;
    if (this.isAway || current === undefined)
      return Promise.reject(new OncewayError('configuration_missing', 'away'));
    const { digest } = JSON.parse(current.entry) as { digest: Digest };
    return Promise.resolve(digest === known ? undefined : current);
  }

  record(digest: Digest): Promise<Buffer> {
    const octets = this.records.get(digest);
    return octets === undefined
      ? Promise.reject(new OncewayError('configuration_missing', 'no such record'))
      : Promise.resolve(octets);
  }

  consistency(from: number, to: number): Promise<readonly Buffer[]> {
    return Promise.resolve(this.tree.consistencyProof(from, to));
  }
}
