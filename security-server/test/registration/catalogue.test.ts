// Descriptions on their way to the catalogue: signed, once, and kept while the registry does not take them.
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { compactVerify } from 'jose';
import { parseDescription, parseServiceId } from '@onceway/sdk/protocol';
import { SoftwareToken } from '../../src/keys/software-token.js';
import { publishDescriptions } from '../../src/registration/catalogue.js';
import { X509Certificate } from 'node:crypto';
import { ServiceStore } from '../../src/services/service-store.js';
import { createState, type StateDatabase } from '../../src/state/state-database.js';
import { folder, type Folder } from '../keys/openssl.js';
import { PilotRegistry } from './pilot-registry.js';

const service = parseServiceId('VN/GOV/10006/population/persons');
let dir: Folder;
let database: StateDatabase;

beforeEach(() => {
  dir = folder();
  database = createState(dir.file('state.db'));
});
afterEach(() => {
  database.close();
  dir.remove();
});

test('a description is pushed under its member’s signature, and again only when it changed', async () => {
  const token = SoftwareToken.create(dir.file('token.json'), 'pin-pin-pin');
  const registry = new PilotRegistry(dir);
  const clock = (): number => 1_760_000_000_000;
  const services = new ServiceStore({ database, token, clock, enterRight: async () => undefined });
  const names = { en: 'Persons', vi: 'Dân cư' };
  const description = {
    openapi: '3.1.0',
    info: { title: 'Persons' },
    paths: { '/persons/{id}': { get: {} } },
  };
  await services.putService(service, { baseUrl: 'http://a', names, description });
  const parts = { services, token, clock, registry: registry.call };

  // No signing certificate yet: it stays on the list.
  expect(await publishDescriptions(parts)).toMatchObject([
    { service, error: { code: 'signing_key_unavailable' } },
  ]);
  const key = token.generateKey({ usage: 'signing', member: 'VN/GOV/10006' as never });
  const pem = registry.certify(await token.certificateRequest(key.id, { subject: { CN: 'a' } }));
  token.addCertificate(new X509Certificate(pem).raw);
  registry.fault = () => {
    throw new Error('away');
  };
  expect(await publishDescriptions(parts)).toMatchObject([{ error: { code: 'registry_unreachable' } }]);
  registry.fault = () => undefined;
  expect(await publishDescriptions(parts)).toEqual([]);

  const { payload, protectedHeader } = await compactVerify(
    registry.catalogue.get(service) ?? '',
    new X509Certificate(pem).publicKey,
  );
  expect(protectedHeader.typ).toBe('description+jws');
  const claims = parseDescription(JSON.parse(Buffer.from(payload).toString()));
  expect(claims).toMatchObject({ service, names, document: JSON.stringify(description) });

  registry.catalogue.clear();
  expect(await publishDescriptions(parts)).toEqual([]);
  expect(registry.catalogue.size).toBe(0);
});
