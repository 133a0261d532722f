// Answers about services: listMethods, allowedMethods, getOpenAPI (X-Road's metadata services for REST). Signed and
// logged like any message; no right is needed. GET only: any other method asks for a service of that name.
import type { ClientId, SubsystemId } from '@onceway/schemas';
import { OncewayError, serviceParts, type HeadLine } from '@onceway/sdk/protocol';
import type { Service, ServiceDirectory } from './service.js';

export interface MetadataQuestion {
  readonly method: string;
  readonly serviceCode: string;
  readonly query: string;
  readonly provider: SubsystemId;
  readonly client: ClientId;
  readonly groups: ReadonlySet<string>;
}

interface MetadataAnswer {
  readonly status: number;
  readonly lines: readonly HeadLine[];
  readonly body: Buffer | null;
}

/** The answer, made when it is delivered; undefined where the service code is no metadata service.
 *  @throws {OncewayError} `request_invalid`, `service_unknown` (getOpenAPI) */
export function metadata(
  question: MetadataQuestion,
  directory: ServiceDirectory,
): (() => MetadataAnswer) | undefined {
  if (question.method !== 'GET') return undefined;
  switch (question.serviceCode) {
    case 'listMethods':
      return () => listing(directory.list(question.provider));
    case 'allowedMethods':
      return () => listing(directory.allowed(question.client, question.groups, question.provider));
    case 'getOpenAPI': {
      const description = described(question, directory);
      return () => json(description);
    }
    default:
      return undefined;
  }
}

function described({ query, provider }: MetadataQuestion, directory: ServiceDirectory): string {
  const code = new URLSearchParams(query).get('serviceCode');
  if (code === null || code === '') throw new OncewayError('request_invalid', 'serviceCode is missing');
  const service = directory.list(provider).find(({ id }) => serviceParts(id).serviceCode === code);
  const description = service === undefined ? undefined : directory.description(service.id);
  if (description === undefined) throw new OncewayError('service_unknown', `no description of ${code}`);
  return description;
}

/** X-Road's shape, member names in its order. */
function listing(services: readonly Service[]): MetadataAnswer {
  const service = services.map(({ id, type, endpoints }) => {
    const parts = serviceParts(id);
    return {
      member_class: parts.memberClass,
      member_code: parts.memberCode,
      object_type: 'SERVICE',
      service_code: parts.serviceCode,
      service_type: type,
      subsystem_code: parts.subsystemCode,
      xroad_instance: parts.instance,
      endpoint_list: endpoints.map(({ method, path }) => ({ method, path })),
    };
  });
  return json(JSON.stringify({ service }));
}

function json(text: string): MetadataAnswer {
  return { status: 200, lines: [['Content-Type', 'application/json']], body: Buffer.from(text) };
}
