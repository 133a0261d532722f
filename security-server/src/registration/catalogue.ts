// Pushes the descriptions of this server's services to the registry's catalogue, signed by their members. One that
// can not be pushed (not registered yet, registry away) stays on the list for the next time.
import { memberOf, OncewayError } from '@onceway/sdk/protocol';
import type { Token } from '../keys/signer.js';
import { signStatement } from '../keys/statement.js';
import type { ServiceStore } from '../services/service-store.js';
import { ask, type RegistryCall } from './registry.js';

export interface CatalogueParts {
  readonly services: Pick<ServiceStore, 'unpublished' | 'markPublished'>;
  readonly token: Pick<Token, 'signingKey'>;
  readonly registry: RegistryCall;
  readonly clock: () => number;
}

/** Returns what could not be pushed, with why; the rest is published. */
export async function publishDescriptions(
  parts: CatalogueParts,
): Promise<{ readonly service: string; readonly error: unknown }[]> {
  const { services, token, registry, clock } = parts;
  const failures: { service: string; error: unknown }[] = [];
  for (const description of services.unpublished()) {
    const { service, rev, document, names } = description;
    try {
      const now = clock();
      const claims = {
        v: 1,
        service,
        rev,
        issued: Math.floor(now / 1000),
        ...(names === undefined ? {} : { names }),
        document,
      };
      const signed = await signStatement('description+jws', claims, token.signingKey(memberOf(service)), now);
      await ask(registry, 'PUT', `/catalogue/${encodeURIComponent(service)}`, { description: signed });
      services.markPublished(description);
    } catch (error) {
      if (!(error instanceof OncewayError)) throw error;
      failures.push({ service, error });
    }
  }
  return failures;
}
