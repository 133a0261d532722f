// When descriptions are pushed: one run at a time, and none forgotten that was added during it.
import { expect, test } from '@jest/globals';
import { OncewayError } from '@onceway/sdk/protocol';
import { descriptionPublisher } from '../../src/jobs/publish-descriptions.js';
import type { PublishedDescription } from '../../src/services/service-store.js';

const description = (service: string): PublishedDescription =>
  ({ service, rev: 1, document: '{}' }) as unknown as PublishedDescription;

test('a description that comes during a run is pushed by the next, which follows at once', async () => {
  const waiting = [description('a')];
  const asked: string[] = [];
  let running = 0;
  const publish = descriptionPublisher(
    {
      services: { unpublished: () => waiting.splice(0), markPublished: () => undefined },
      token: {
        signingKey: () => ({ alg: 'ES256', certificateDigest: 'd', sign: () => Buffer.alloc(64) }) as never,
      },
      clock: () => 0,
      registry: async (_method, path) => {
        running++;
        expect(running).toBe(1);
        asked.push(path);
        if (asked.length === 1) {
          waiting.push(description('b'));
          void publish();
          void publish();
        }
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        running--;
        return { status: 204, text: '' };
      },
    },
    () => undefined,
  );
  await publish();
  expect(asked).toEqual(['/catalogue/a', '/catalogue/b']);
  await publish();
  expect(asked).toHaveLength(2);
});

test('what fails is told, and a bug does not stop later runs', async () => {
  const failed: unknown[] = [];
  let error: Error = new OncewayError('signing_key_unavailable', 'none');
  const publish = descriptionPublisher(
    {
      services: { unpublished: () => [description('a')], markPublished: () => undefined },
      token: {
        signingKey: () => {
          throw error;
        },
      },
      clock: () => 0,
      registry: async () => ({ status: 204, text: '' }),
    },
    (service, why) => failed.push([service, why]),
  );
  await publish();
  expect(failed).toEqual([['a', error]]);
  error = new TypeError('a bug');
  await publish();
  await publish();
  expect(failed.slice(1)).toEqual([
    ['all', error],
    ['all', error],
  ]);
});
