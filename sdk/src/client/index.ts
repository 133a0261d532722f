// @onceway/sdk/client: use a service.
export { createClient } from './client.js';
export type { Client, ClientOptions, Outcome } from './client.js';
export type { Answer, Proof } from './answer.js';
export type { AnswerHeaders, TlsOptions } from './connection.js';
export { ExchangeError } from './exchange-error.js';
export type { ExchangeOutcome } from './exchange-error.js';
export type { CallOptions, Query } from './request.js';
export { searchCatalogue } from './catalogue.js';
export type { CatalogueEntry } from './catalogue.js';
