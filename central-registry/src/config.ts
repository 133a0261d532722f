// Settings of a central registry: registry.json in its folder. Secrets stand in files of their own. All mistakes are
// reported at once; nothing is read at import time.
import { OncewayError } from '@onceway/sdk/protocol';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Officers } from './access/approvals.js';
import { CONFIGURATION_LIFETIME_S_MAX, CONFIGURATION_LIFETIME_S_MIN } from './limits.js';

export interface Listener {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export const LISTENERS = [
  'management',
  'distribution',
  'authority',
  'ocsp',
  'timeStamping',
  'witness',
] as const;
export type ListenerName = (typeof LISTENERS)[number];
export type Listeners = Readonly<Record<ListenerName, Listener>>;

export interface Settings {
  readonly v: 1;
  readonly instance: string;
  /** Schema-less: the logs of this instance are named under it. */
  readonly domain: string;
  /** Who runs it, as the pilot authority's certificates say. */
  readonly organization: string;
  /** How many officers must approve what the exchange trusts: its servers and trust services. */
  readonly officers: Officers;
  /** Life of a configuration, seconds. */
  readonly lifetimeS: number;
  readonly listeners: Listeners;
}

/** One port after another, so that a registry is found where its neighbour's was expected. */
export const DEFAULT_LISTENERS = Object.fromEntries(
  LISTENERS.map((name, index) => [name, { host: '127.0.0.1', port: 4100 + index }]),
) as unknown as Listeners;

const listener = {
  type: 'object',
  additionalProperties: false,
  required: ['host', 'port'],
  properties: {
    host: { type: 'string', minLength: 1, maxLength: 253 },
    port: { type: 'integer', minimum: 0, maximum: 65535 },
  },
};

export const SETTINGS_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['v', 'instance', 'domain', 'organization', 'officers', 'lifetimeS', 'listeners'],
  properties: {
    v: { const: 1 },
    instance: { type: 'string', pattern: "^[A-Za-z0-9'()+,\\-.=?_~]{1,60}$" },
    domain: { type: 'string', pattern: '^[a-z0-9.\\-]{1,200}$' },
    organization: { type: 'string', minLength: 1, maxLength: 64 },
    officers: { enum: [1, 2] },
    lifetimeS: {
      type: 'integer',
      minimum: CONFIGURATION_LIFETIME_S_MIN,
      maximum: CONFIGURATION_LIFETIME_S_MAX,
    },
    listeners: {
      type: 'object',
      additionalProperties: false,
      required: LISTENERS,
      properties: Object.fromEntries(LISTENERS.map((name) => [name, listener])),
    },
  },
} as const;

/** @throws {OncewayError} `request_invalid` with every mistake in its message */
export function checkSettings(value: unknown): Settings {
  const ajv = new Ajv2020({ allErrors: true });
  if (!ajv.validate(SETTINGS_SCHEMA, value))
    throw new OncewayError('request_invalid', ajv.errorsText(ajv.errors, { dataVar: 'registry.json' }));
  return value as Settings;
}

/** Reads registry.json. @throws {OncewayError} `request_invalid` */
export function loadSettings(text: string): Settings {
  try {
    return checkSettings(JSON.parse(text));
  } catch (cause) {
    if (cause instanceof OncewayError) throw cause;
    throw new OncewayError('request_invalid', 'registry.json is not JSON', { cause });
  }
}
