// What a subsystem offers, and to whom: the words only. Decisions are made in service-directory.ts.
import type { ClientId, Digest, Names, ServiceId, SubsystemId } from '@onceway/schemas';

/** One operation of a service. */
export interface Endpoint {
  /** Upper case, or `*` for any. */
  readonly method: string;
  /** Glob over the decoded path: `*` is one segment, `**` anything. */
  readonly path: string;
  /** The path as the description has it (`/persons/{id}`), where there is one. */
  readonly described?: string;
}

/** What a service's own TLS certificate must be, to the octet. */
export interface PinnedCertificate {
  readonly digest: Digest;
  /** Seconds since 1970. */
  readonly from: number;
  readonly until: number;
  readonly pem: string;
}

export interface Service {
  readonly id: ServiceId;
  /** OPENAPI where a description was uploaded: its endpoints are then the description's. */
  readonly type: 'REST' | 'OPENAPI';
  /** For the catalogue. */
  readonly names?: Names;
  /** Absolute http(s) URL to which path and query of a request are appended, untouched. */
  readonly baseUrl: string;
  /** Of an https base URL: only this is accepted. Left out: what a public authority issued for its host. */
  readonly certificate?: PinnedCertificate;
  readonly timeoutMs: number;
  readonly endpoints: readonly Endpoint[];
  /** Switched off; the notice is for those who may call it. */
  readonly disabled?: { readonly notice: string };
}

/** Who may call: one client, a group of the registry's, or one that the provider keeps itself. */
export type Subject =
  { readonly client: ClientId } | { readonly group: string } | { readonly localGroup: string };

/** A plain access right as it stands now; its `right+jws` says the same under the provider's signature. */
export interface AccessRight {
  /** Opaque; shown to callers as the rule that decided. */
  readonly id: string;
  readonly rev: number;
  readonly service: ServiceId;
  readonly subject: Subject;
  /** Left out: the whole service. */
  readonly endpoint?: { readonly method: string; readonly path: string };
  /** Seconds since 1970. */
  readonly from: number;
  readonly until?: number;
  /** Digest of the `right+jws`. */
  readonly digest: Digest;
}

export interface AccessRequest {
  readonly client: ClientId;
  readonly service: ServiceId;
  readonly method: string;
  /** The target's remainder after the service, raw, without query: `''` or beginning with `/`. */
  readonly path: string;
  /** Codes of the global groups that the client is in, by the current configuration. */
  readonly groups: ReadonlySet<string>;
}

export interface AccessDecision {
  /** Opaque id of the right that lets it pass. */
  readonly rule: string;
  /** The endpoint as its description has it (`GET /persons/{id}`), or `METHOD *`. */
  readonly op: string;
  /** Digest of the `right+jws`, for the answer's `right`. */
  readonly right: Digest;
}

/** A right as it was signed, and its parties. */
export interface SignedRight {
  readonly right: string;
  readonly provider: SubsystemId;
  readonly subject: Subject;
}

/** What the exchange asks. Everything is in memory: synchronous, and the same between two awaits. */
export interface ServiceDirectory {
  find(id: ServiceId): Service | undefined;
  /** Denies by default.
   *  @throws {OncewayError} `service_unknown`, `access_denied`, `service_disabled` (with the right as rule),
   *  `request_target_invalid` (a path that a service might read otherwise than the rule does) */
  authorize(request: AccessRequest): AccessDecision;
  /** All services of a subsystem (`listMethods`). */
  list(subsystem: SubsystemId): readonly Service[];
  /** Services and endpoints the client may call (`allowedMethods`). */
  allowed(client: ClientId, groups: ReadonlySet<string>, subsystem: SubsystemId): readonly Service[];
  /** OpenAPI 3 text (JSON) for `getOpenAPI`, each `servers[].url` reduced to its path. */
  description(id: ServiceId): string | undefined;
  /** A `right+jws` by its digest, and who may have it: the parties only. */
  right(digest: Digest): SignedRight | undefined;
  /** The clients in a local group of a provider; none where there is no such group. */
  localGroup(provider: SubsystemId, code: string): ReadonlySet<ClientId>;
}
