import { expect, test } from '@jest/globals';
import type { Digest } from '@onceway/schemas';
import { OncewayError } from '@onceway/sdk/protocol';
import type { TrustView } from '@onceway/sdk/verify';
import { Credentials } from '../../src/trust/credentials.js';

// What a genuine certificate and its status lead to is tested with real ones, in test/exchange/trust-*.
const trust = { authorities: [], policy: {} } as unknown as TrustView;
const digest = 'A'.repeat(43) as Digest;

test('first fetches of one certificate at one time are one; a failed one is tried again', async () => {
  const credentials = new Credentials({ clock: () => 0, alarm: () => undefined });
  let fetches = 0;
  const source = (): Promise<never> => {
    fetches++;
    return Promise.reject(new OncewayError('certificate_status_unknown', 'the peer is away'));
  };
  const ask = () => credentials.require(digest, 'signing', trust, source);
  const asked = await Promise.allSettled([
    ask(),
    ask(),
    credentials.show(digest, 'signing', trust, source),
    credentials.renew(digest, 'signing', trust, source),
  ]);
  expect(asked.map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
  expect(fetches).toBe(1);
  await expect(ask()).rejects.toMatchObject({ code: 'certificate_status_unknown' });
  expect(fetches).toBe(2);
  expect(credentials.statusAtMs(digest)).toBeUndefined();
});

test('another certificate than the one asked for is refused', async () => {
  const credentials = new Credentials({ clock: () => 0, alarm: () => undefined });
  const shown = { certificate: Buffer.from('x'), issuers: [], ocsp: Buffer.alloc(0) };
  await expect(
    credentials.require(digest, 'signing', trust, () => Promise.resolve(shown)),
  ).rejects.toMatchObject({ code: 'certificate_invalid' });
});
