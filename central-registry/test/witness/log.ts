// A log in memory that can also lie, and what tests of the witness need around it.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { VerifierKey } from '@onceway/schemas';
import { leafHash, MerkleTree, signCheckpoint, vkeyOf } from '@onceway/sdk/verify';

export const ORIGIN = 'onceway.example/log/ss1';

export class Log {
  readonly tree = new MerkleTree();
  readonly key: KeyObject = generateKeyPairSync('ed25519').privateKey;
  readonly vkey: VerifierKey = vkeyOf(ORIGIN, this.key);

  constructor(size: number, history = 'true') {
    for (let index = 0; index < size; index++) this.tree.append(leafHash(Buffer.from(`${history} ${index}`)));
  }

  checkpoint(size: number, key = this.key): string {
    return signCheckpoint({ origin: ORIGIN, size, root: this.tree.root(size) }, key);
  }

  proof(from: number, to: number): Buffer[] {
    return from === 0 ? [] : this.tree.consistencyProof(from, to);
  }

  body(from: number, to: number, proof = this.proof(from, to)): string {
    return `old ${from}\n${proof.map((hash) => `${hash.toString('base64')}\n`).join('')}\n${this.checkpoint(to)}`;
  }
}

export interface Served {
  readonly url: string;
  close(): Promise<void>;
}
export async function serve(listener: RequestListener): Promise<Served> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}
export async function post(url: string, body: string | Uint8Array): Promise<Answer> {
  const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body });
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() };
}
