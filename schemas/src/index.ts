// The published contract of every wire object: JSON Schemas as data, and the types generated from them.
export type * from './brands.js';
export type * from './generated/types.js';
export { SCHEMAS, type SchemaName } from './generated/schemas.js';
