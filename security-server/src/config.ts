// Settings of one security server: server.json in its folder. Secrets stand in files; the PIN may also come by the
// environment. All mistakes are reported at once; nothing is read at import time.
import type { SecurityServerId } from '@onceway/schemas';
import { OncewayError, parseSecurityServerId } from '@onceway/sdk/protocol';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { BODY_BYTES_PER_S_MIN, BODY_IDLE_MS, STREAMED_BODY_BYTES_MAX } from './limits.js';
import type { BodyBounds } from './transport/arriving-body.js';

export interface Listener {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface Settings {
  readonly v: 1;
  readonly id: SecurityServerId;
  /** Base of the registry's public interface; the anchor's addresses serve where it is left out. */
  readonly registry?: string;
  readonly listeners: {
    readonly client: Listener;
    /** HTTPS for information systems; plain only where it is left out. */
    readonly clientTls?: Listener;
    readonly peer: Listener;
    readonly management: Listener;
  };
  /** Tighter than the defaults of limits.ts, never wider. */
  readonly limits?: {
    readonly bodyBytesMax?: number;
    readonly streamedBodyBytesMax?: number;
    readonly concurrentExchangesMax?: number;
  };
}

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
  required: ['v', 'id', 'listeners'],
  properties: {
    v: { const: 1 },
    id: { type: 'string' },
    registry: { type: 'string', pattern: '^https?://' },
    listeners: {
      type: 'object',
      additionalProperties: false,
      required: ['client', 'peer', 'management'],
      properties: { client: listener, clientTls: listener, peer: listener, management: listener },
    },
    limits: {
      type: 'object',
      additionalProperties: false,
      properties: {
        bodyBytesMax: { type: 'integer', minimum: 0 },
        streamedBodyBytesMax: { type: 'integer', minimum: 0, maximum: STREAMED_BODY_BYTES_MAX },
        concurrentExchangesMax: { type: 'integer', minimum: 1 },
      },
    },
  },
} as const;

/** Reads server.json. @throws {OncewayError} `request_invalid` with every mistake in its message */
export function loadSettings(text: string): Settings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OncewayError('request_invalid', 'server.json is not JSON', { cause });
  }
  const ajv = new Ajv2020({ allErrors: true });
  if (!ajv.validate(SETTINGS_SCHEMA, value))
    throw new OncewayError(
      'request_invalid',
      `server.json: ${ajv.errorsText(ajv.errors, { dataVar: 'server' })}`,
    );
  const settings = value as Settings;
  parseSecurityServerId(settings.id);
  return settings;
}

/** For tests. */
export interface TighterBodyBounds {
  readonly streamedBodyBytesMax?: number;
  readonly bodyIdleMs?: number;
  readonly bodyBytesPerSMin?: number;
}

/** What a streamed body may take, of octets and of time. */
export function streamedBodyBounds({ limits }: Settings, tighter: TighterBodyBounds = {}): BodyBounds {
  return {
    bytesMax: tighter.streamedBodyBytesMax ?? limits?.streamedBodyBytesMax ?? STREAMED_BODY_BYTES_MAX,
    idleMs: tighter.bodyIdleMs ?? BODY_IDLE_MS,
    bytesPerSMin: tighter.bodyBytesPerSMin ?? BODY_BYTES_PER_S_MIN,
  };
}
