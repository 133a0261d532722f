// @onceway/sdk/provider: offer a service. Needs express beside it.
export { caller } from './caller.js';
export type { Caller } from './caller.js';
export type { OpenApiDescription, OperationObject, ParameterObject } from './description.js';
export type { EndpointAnswer, EndpointHandler, EndpointRequest, Endpoints } from './endpoints.js';
export { provide } from './provide.js';
export type { ProvideOptions, Provider, ServiceDefinition } from './provide.js';
export { PublicationError } from './publication.js';
export type { ManagementAccess, ProvidedService } from './publication.js';
export { ServiceRefusal } from './service-refusal.js';
