// What else is signed and is no message: descriptions, rights, management requests, capabilities. Payloads only.
import type {
  Capabilities,
  DescriptionClaims,
  ManagementRequest,
  MessageHeader,
  RightClaims,
} from '@onceway/schemas';
import { validatorOf } from './schema.js';

/** Payload of `management-request+jws`, parsed from its one form. @throws {OncewayError} `request_invalid` */
export const parseManagementRequest: (value: unknown) => ManagementRequest = validatorOf(
  'management-request',
  'request_invalid',
);

/** Payload of `description+jws`. Not verified: that `document` is OpenAPI 3. @throws {OncewayError} `request_invalid` */
export const parseDescription: (value: unknown) => DescriptionClaims = validatorOf(
  'description',
  'request_invalid',
);

/** Payload of `right+jws`. @throws {OncewayError} `request_invalid` */
export const parseRight: (value: unknown) => RightClaims = validatorOf('right', 'request_invalid');

/** Payload of `capabilities+jws`. @throws {OncewayError} `request_invalid` */
export const parseCapabilities: (value: unknown) => Capabilities = validatorOf(
  'capabilities',
  'request_invalid',
);

/** Protected header of what a member's certificate signs: `alg`, `typ`, `x5t#S256`, `iat` and nothing else.
 *  @throws {OncewayError} `envelope_invalid` */
export const parseMessageHeader: (value: unknown) => MessageHeader = validatorOf(
  'message-header',
  'envelope_invalid',
);
