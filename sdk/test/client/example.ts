// The example in createClient's documentation, compiled; client.test.ts compares the two texts and runs this one.
import { createClient, ExchangeError } from '../../src/client/index.js';
import type { ClientOptions } from '../../src/client/index.js';

export async function example(
  console: { log(...words: unknown[]): void },
  options?: ClientOptions,
): Promise<void> {
  const made = createClient;
  {
    const createClient = (own: ClientOptions): ReturnType<typeof made> => made(options ?? own);
    // begin
    const client = createClient({ server: 'http://127.0.0.1:8080', client: 'VN/GOV/MOH/HOSPITALS' });
    try {
      const answer = await client.call<{ name: string }>('VN/GOV/NSO/CODE-LISTS/communes', {
        path: '/records/00004',
        userId: 'staff:17',
        issue: 'HN-2026-000123',
      });
      if (answer.ok)
        console.log(answer.json().name, 'signed by', answer.proof.signer, answer.proof.messageId);
      else console.log('the service says', answer.status);
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      console.log(error.hop, 'refused:', error.code, error.rule, error.hint);
      if (error.outcome === 'unknown' && error.messageId !== undefined)
        console.log((await client.outcome(error.messageId)).state);
    } finally {
      await client.close();
    }
    // end
  }
}
